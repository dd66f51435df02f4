CREATE FUNCTION public.batch_apply(p_shard integer, p_epoch bigint, p_replica uuid, p_seq bigint, p_notify boolean, p_key text[], p_expect bigint[], p_deleted boolean[], p_val bytea[], p_fence text, p_token bigint, p_take_pool text[], p_take_value text[], p_drop_pool text[], p_drop_value text[], OUT base bigint, OUT revs bigint[], OUT creates bigint[], OUT currents bigint[]) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE
    places tid[];
    holds boolean[];
    n bigint;
    n_made bigint;
    n_gone bigint;
BEGIN
    IF p_shard = 2 THEN
        -- Node leases are renewed every ten seconds: the last ones may be lost with the machine.
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    PERFORM pg_advisory_xact_lock(7001, p_shard);
    SELECT m.rev INTO base FROM meta m WHERE m.shard = p_shard AND m.epoch = p_epoch;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the epoch is over' USING ERRCODE = 'GT001';
    END IF;
    IF p_fence IS NOT NULL THEN
        PERFORM FROM leases l WHERE l.name = p_fence AND l.token = p_token FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a later leader exists' USING ERRCODE = 'GT003';
        END IF;
    END IF;

    -- OFFSET 0 keeps the look-up by key a look-up by key, whatever the statistics say about a table that was empty just now.
    SELECT array_agg(a.ctid), array_agg(a.rv), array_agg(a.create_rv), array_agg(a.ok),
            count(*) FILTER (WHERE a.ok), count(*) FILTER (WHERE a.ok AND a.rv IS NULL),
            count(*) FILTER (WHERE a.ok AND a.deleted)
        INTO places, currents, creates, holds, n, n_made, n_gone
        FROM (
            SELECT o.ctid, o.rv, o.create_rv, u.deleted, coalesce(o.rv, 0) = u.expect AS ok
            FROM unnest(p_key, p_expect, p_deleted) WITH ORDINALITY AS u(key, expect, deleted, ord)
            LEFT JOIN LATERAL (
                SELECT x.ctid, x.rv, x.create_rv FROM objects x WHERE x.shard = p_shard AND x.key = u.key OFFSET 0
            ) AS o ON true
            ORDER BY u.ord
        ) AS a;
    IF n = cardinality(p_key) THEN
        SELECT array_agg(r) INTO revs FROM generate_series(base + 1, base + n) AS r;
    ELSE
        SELECT array_agg(b.rev) INTO revs FROM (
            SELECT CASE WHEN h.ok THEN base + count(*) FILTER (WHERE h.ok) OVER (ORDER BY h.ord) END AS rev
            FROM unnest(holds) WITH ORDINALITY AS h(ok, ord) ORDER BY h.ord
        ) AS b;
    END IF;

    IF n > 0 THEN
        IF p_take_pool IS NOT NULL THEN
            PERFORM claims_change(p_key[1], p_take_pool, p_take_value, p_drop_pool, p_drop_value);
        END IF;
        IF n_made > 0 THEN
            INSERT INTO objects SELECT p_shard, u.key, u.rev, u.rev, u.val
                FROM unnest(p_key, p_val, revs, currents) AS u(key, val, rev, old)
                WHERE u.rev IS NOT NULL AND u.old IS NULL;
        END IF;
        -- By place: behind the lock nobody else moves rows.
        IF n_gone > 0 THEN
            DELETE FROM objects o USING unnest(places, p_deleted, revs) AS u(place, deleted, rev)
                WHERE o.ctid = u.place AND u.deleted AND u.rev IS NOT NULL;
        END IF;
        IF n > n_made + n_gone THEN
            UPDATE objects o SET rv = u.rev, val = u.val
                FROM unnest(places, p_deleted, revs, p_val) AS u(place, deleted, rev, val)
                WHERE o.ctid = u.place AND NOT u.deleted AND u.rev IS NOT NULL;
        END IF;
        INSERT INTO changes SELECT p_shard, u.rev, u.deleted, u.key, u.old, coalesce(u.made, u.rev), u.val
            FROM unnest(p_key, p_val, p_deleted, revs, currents, creates) AS u(key, val, deleted, rev, old, made)
            WHERE u.rev IS NOT NULL;
        UPDATE meta SET rev = base + n WHERE shard = p_shard;
        IF p_notify THEN
            PERFORM pg_notify('gantry_changes', p_shard::text);
        END IF;
    END IF;

    UPDATE writers w SET last_seq = p_seq, base = batch_apply.base, applied = n, at = now()
        WHERE w.shard = p_shard AND w.replica = p_replica AND w.last_seq < p_seq;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this batch was given up' USING ERRCODE = 'GT002';
    END IF;
END $$;
CREATE FUNCTION public.batch_apply_single(p_shard integer, p_epoch bigint, p_replica uuid, p_seq bigint, p_notify boolean, p_key text, p_expect bigint, p_deleted boolean, p_val bytea, OUT rev bigint, OUT created bigint, OUT previous bigint) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE
    newest bigint;
    place tid;
    holds boolean;
BEGIN
    IF p_shard = 2 THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    PERFORM pg_advisory_xact_lock(7001, p_shard);
    SELECT m.rev INTO newest FROM meta m WHERE m.shard = p_shard AND m.epoch = p_epoch;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the epoch is over' USING ERRCODE = 'GT001';
    END IF;
    SELECT o.ctid, o.rv, o.create_rv INTO place, previous, created FROM objects o
        WHERE o.shard = p_shard AND o.key = p_key;
    holds := coalesce(previous, 0) = p_expect;
    IF holds THEN
        rev := newest + 1;
        IF previous IS NULL THEN
            INSERT INTO objects VALUES (p_shard, p_key, rev, rev, p_val);
        ELSIF p_deleted THEN
            DELETE FROM objects o WHERE o.ctid = place;
        ELSE
            UPDATE objects o SET rv = rev, val = p_val WHERE o.ctid = place;
        END IF;
        INSERT INTO changes VALUES (p_shard, rev, p_deleted, p_key, previous, coalesce(created, rev), p_val);
        UPDATE meta m SET rev = batch_apply_single.rev WHERE m.shard = p_shard;
        IF p_notify THEN
            PERFORM pg_notify('gantry_changes', p_shard::text);
        END IF;
    END IF;
    UPDATE writers w SET last_seq = p_seq, base = newest, applied = holds::int, at = now()
        WHERE w.shard = p_shard AND w.replica = p_replica AND w.last_seq < p_seq;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this batch was given up' USING ERRCODE = 'GT002';
    END IF;
END $$;
CREATE FUNCTION public.batch_apply_whole(p_shard integer, p_epoch bigint, p_replica uuid, p_seq bigint, p_notify boolean, p_key text[], p_expect bigint[], p_deleted boolean[], p_val bytea[], p_fence text, p_token bigint, p_take_pool text[], p_take_value text[], p_drop_pool text[], p_drop_value text[], OUT revs bigint[], OUT creates bigint[], OUT currents bigint[]) RETURNS record
    LANGUAGE plpgsql
    AS $$
BEGIN
    SELECT b.revs, b.creates, b.currents INTO revs, creates, currents
        FROM batch_apply(p_shard, p_epoch, p_replica, p_seq, p_notify, p_key, p_expect, p_deleted, p_val,
            p_fence, p_token, p_take_pool, p_take_value, p_drop_pool, p_drop_value) AS b;
    IF array_position(revs, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'not all of the batch holds' USING ERRCODE = 'GT005', DETAIL = to_json(currents);
    END IF;
END $$;
CREATE FUNCTION public.batch_settle(p_shard integer, p_replica uuid, p_seq bigint, OUT base bigint, OUT applied bigint) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE
    w writers;
BEGIN
    PERFORM pg_advisory_xact_lock(7001, p_shard);
    SELECT * INTO w FROM writers x WHERE x.shard = p_shard AND x.replica = p_replica;
    IF w.last_seq = p_seq THEN
        base := w.base;
        applied := w.applied;
    ELSE
        UPDATE writers x SET last_seq = p_seq, base = NULL, applied = 0
            WHERE x.shard = p_shard AND x.replica = p_replica;
    END IF;
END $$;
CREATE FUNCTION public.changes_drop(p_shard integer) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    size CONSTANT bigint := 100000;
    part text;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7002, p_shard) THEN
        RETURN;
    END IF;
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = format('changes_%s', p_shard)::regclass
            AND (split_part(c.relname, '_', 3)::bigint + 1) * size <=
                (SELECT compact_rev + 1 FROM meta WHERE shard = p_shard)
    LOOP
        EXECUTE format('DROP TABLE %I', part);
    END LOOP;
END $$;
CREATE FUNCTION public.changes_extend(p_shard integer, p_from bigint) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
    size CONSTANT bigint := 100000;
    low bigint := p_from / size * size;
    part text;
BEGIN
    PERFORM pg_advisory_xact_lock(7002, p_shard);
    FOR i IN 0..3 LOOP
        part := format('changes_%s_%s', p_shard, low / size);
        IF to_regclass(part) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE changes INCLUDING ALL)', part);
            EXECUTE format('ALTER TABLE changes_%s ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                p_shard, part, low, low + size);
        END IF;
        low := low + size;
    END LOOP;
    RETURN low;
END $$;
CREATE FUNCTION public.claims_change(p_owner text, p_take_pool text[], p_take_value text[], p_drop_pool text[], p_drop_value text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    taken record;
BEGIN
    DELETE FROM claims c USING unnest(p_drop_pool, p_drop_value) AS d(pool, value)
        WHERE c.pool = d.pool AND c.value = d.value AND c.owner = p_owner;
    INSERT INTO claims SELECT t.pool, t.value, p_owner FROM unnest(p_take_pool, p_take_value) AS t(pool, value)
        ORDER BY 1, 2 ON CONFLICT DO NOTHING;
    -- A statement of its own, so that it sees what a concurrent owner committed while the INSERT waited for it.
    SELECT c.* INTO taken FROM claims c JOIN unnest(p_take_pool, p_take_value) AS t(pool, value) USING (pool, value)
        WHERE c.owner <> p_owner LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'claim taken' USING ERRCODE = 'GT004',
            DETAIL = json_build_object('pool', taken.pool, 'value', taken.value, 'owner', taken.owner);
    END IF;
END $$;
CREATE FUNCTION public.lease_acquire(p_name text, p_holder text, p_ttl interval) RETURNS bigint
    LANGUAGE sql
    AS $$
    INSERT INTO leases AS l VALUES (p_name, p_holder, 1, clock_timestamp() + p_ttl)
    ON CONFLICT (name) DO UPDATE SET
        holder = excluded.holder,
        token = l.token + (l.holder <> excluded.holder)::int,
        until = excluded.until
    WHERE l.holder = excluded.holder OR l.until < clock_timestamp()
    RETURNING l.token;
$$;
CREATE TABLE public.changes (
    shard integer NOT NULL,
    rv bigint NOT NULL,
    deleted boolean NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    prev_rv bigint,
    create_rv bigint NOT NULL,
    val bytea NOT NULL
)
PARTITION BY LIST (shard);
ALTER TABLE ONLY public.changes ALTER COLUMN val SET STORAGE MAIN;
ALTER TABLE ONLY public.changes ALTER COLUMN val SET COMPRESSION lz4;
CREATE TABLE public.changes_0 (
    shard integer NOT NULL,
    rv bigint NOT NULL,
    deleted boolean NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    prev_rv bigint,
    create_rv bigint NOT NULL,
    val bytea NOT NULL
)
PARTITION BY RANGE (rv);
ALTER TABLE ONLY public.changes_0 ALTER COLUMN val SET STORAGE MAIN;
CREATE TABLE public.changes_1 (
    shard integer NOT NULL,
    rv bigint NOT NULL,
    deleted boolean NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    prev_rv bigint,
    create_rv bigint NOT NULL,
    val bytea NOT NULL
)
PARTITION BY RANGE (rv);
ALTER TABLE ONLY public.changes_1 ALTER COLUMN val SET STORAGE MAIN;
CREATE TABLE public.changes_2 (
    shard integer NOT NULL,
    rv bigint NOT NULL,
    deleted boolean NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    prev_rv bigint,
    create_rv bigint NOT NULL,
    val bytea NOT NULL
)
PARTITION BY RANGE (rv);
ALTER TABLE ONLY public.changes_2 ALTER COLUMN val SET STORAGE MAIN;
CREATE TABLE public.claims (
    pool text NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.leases (
    name text NOT NULL COLLATE pg_catalog."C",
    holder text NOT NULL,
    token bigint NOT NULL,
    until timestamp with time zone NOT NULL
)
WITH (fillfactor='20');
CREATE TABLE public.meta (
    shard integer NOT NULL,
    rev bigint NOT NULL,
    compact_rev bigint NOT NULL,
    epoch bigint NOT NULL,
    timeline integer NOT NULL
)
WITH (fillfactor='10');
CREATE TABLE public.objects (
    shard integer NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    rv bigint NOT NULL,
    create_rv bigint NOT NULL,
    val bytea NOT NULL
)
WITH (fillfactor='85');
ALTER TABLE ONLY public.objects ALTER COLUMN val SET STORAGE MAIN;
ALTER TABLE ONLY public.objects ALTER COLUMN val SET COMPRESSION lz4;
CREATE TABLE public.writers (
    shard integer NOT NULL,
    replica uuid NOT NULL,
    last_seq bigint NOT NULL,
    base bigint,
    applied bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
)
WITH (fillfactor='20');
ALTER TABLE ONLY public.changes ATTACH PARTITION public.changes_0 FOR VALUES IN (0);
ALTER TABLE ONLY public.changes ATTACH PARTITION public.changes_1 FOR VALUES IN (1);
ALTER TABLE ONLY public.changes ATTACH PARTITION public.changes_2 FOR VALUES IN (2);
ALTER TABLE ONLY public.changes
    ADD CONSTRAINT changes_pkey PRIMARY KEY (shard, rv);
ALTER TABLE ONLY public.changes_0
    ADD CONSTRAINT changes_0_pkey PRIMARY KEY (shard, rv);
ALTER TABLE ONLY public.changes_1
    ADD CONSTRAINT changes_1_pkey PRIMARY KEY (shard, rv);
ALTER TABLE ONLY public.changes_2
    ADD CONSTRAINT changes_2_pkey PRIMARY KEY (shard, rv);
ALTER TABLE ONLY public.claims
    ADD CONSTRAINT claims_pkey PRIMARY KEY (pool, value);
ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (shard);
ALTER TABLE ONLY public.objects
    ADD CONSTRAINT objects_pkey PRIMARY KEY (shard, key);
ALTER TABLE ONLY public.writers
    ADD CONSTRAINT writers_pkey PRIMARY KEY (shard, replica);
ALTER INDEX public.changes_pkey ATTACH PARTITION public.changes_0_pkey;
ALTER INDEX public.changes_pkey ATTACH PARTITION public.changes_1_pkey;
ALTER INDEX public.changes_pkey ATTACH PARTITION public.changes_2_pkey;
