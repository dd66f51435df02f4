-- State, log and counters of the store. How they work together is told in migrations/README.md.

-- One row per shard: its newest revision, the floor of its log, and the epoch and timeline it counts in. The row is updated
-- by every batch, so its page has room for many versions.
CREATE TABLE meta (
    shard int PRIMARY KEY,
    rev bigint NOT NULL,
    compact_rev bigint NOT NULL,
    epoch bigint NOT NULL,
    timeline int NOT NULL
) WITH (fillfactor = 10);
INSERT INTO meta SELECT shard, 0, 0, 1, 1 FROM generate_series(0, 2) AS shard;

-- Per replica and shard the last batch that was settled. `base` and `applied` tell which revisions it took; a null `base`
-- means that the batch was given up and must never be applied.
CREATE TABLE writers (
    shard int,
    replica uuid,
    last_seq bigint NOT NULL,
    base bigint,
    applied bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shard, replica)
) WITH (fillfactor = 20);

-- The current state. No index on rv: an update then leaves all indexes alone (HOT).
CREATE TABLE objects (
    shard int,
    key text COLLATE "C",
    rv bigint NOT NULL,
    create_rv bigint NOT NULL,
    val bytea NOT NULL,
    PRIMARY KEY (shard, key)
) WITH (fillfactor = 85);

-- The log, by shard and then by ranges of revisions. Compaction drops ranges.
CREATE TABLE changes (
    shard int,
    rv bigint,
    deleted boolean NOT NULL,
    key text COLLATE "C" NOT NULL,
    prev_rv bigint,
    create_rv bigint NOT NULL,
    val bytea NOT NULL,
    PRIMARY KEY (shard, rv)
) PARTITION BY LIST (shard);
CREATE TABLE changes_0 PARTITION OF changes FOR VALUES IN (0) PARTITION BY RANGE (rv);
CREATE TABLE changes_1 PARTITION OF changes FOR VALUES IN (1) PARTITION BY RANGE (rv);
CREATE TABLE changes_2 PARTITION OF changes FOR VALUES IN (2) PARTITION BY RANGE (rv);

-- Unique allocations (cluster addresses, node ports), owned by the key they were committed with.
CREATE TABLE claims (
    pool text COLLATE "C",
    value text COLLATE "C",
    owner text COLLATE "C" NOT NULL,
    PRIMARY KEY (pool, value)
);

-- Leadership, by this server's clock. `token` grows with each change of holder; a lapsed lease keeps its row.
CREATE TABLE leases (
    name text COLLATE "C" PRIMARY KEY,
    holder text NOT NULL,
    token bigint NOT NULL,
    until timestamptz NOT NULL
) WITH (fillfactor = 20);

-- Values stay in their row, compressed beyond 2 KB, and leave it only when a page cannot hold them.
ALTER TABLE objects ALTER COLUMN val SET STORAGE MAIN;
ALTER TABLE changes ALTER COLUMN val SET STORAGE MAIN;
DO $$
BEGIN
    ALTER TABLE objects ALTER COLUMN val SET COMPRESSION lz4;
    ALTER TABLE changes ALTER COLUMN val SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    RAISE NOTICE 'this server was built without lz4 and compresses values with pglz';
END $$;

-- Makes the ranges of the log that hold p_from and the 300,000 revisions after it, and returns the first revision that has
-- no range. ATTACH, unlike CREATE ... PARTITION OF, lets writers go on.
CREATE FUNCTION changes_extend(p_shard int, p_from bigint) RETURNS bigint LANGUAGE plpgsql AS $f$
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
END $f$;

-- Drops the ranges of the log that lie at or below the floor as a whole. A drop waits for the batch that runs, and the next
-- batches wait for the drop: callers set lock_timeout.
CREATE FUNCTION changes_drop(p_shard int) RETURNS void LANGUAGE plpgsql AS $f$
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
END $f$;

-- Takes and releases what one write asks for, as p_owner. Fails with GT004 where another owner holds something.
CREATE FUNCTION claims_change(p_owner text, p_take_pool text[], p_take_value text[], p_drop_pool text[], p_drop_value text[])
RETURNS void LANGUAGE plpgsql AS $f$
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
END $f$;

-- One batch: one lock, one compare-and-set over all its keys, one commit.
--
-- The caller is in READ COMMITTED, so that each statement after the lock sees everything committed before it. Keys are
-- distinct. p_expect is 0 for "no object". Returns per operation, in the order given: the revision it took (null: refused),
-- the revision the object was created at (null: by this), and the revision that stood before (null: none).
--
-- GT001: the epoch is over. GT002: this batch was given up, or the replica is not registered. GT003: fenced. GT004: see above.
CREATE FUNCTION batch_apply(
    p_shard int, p_epoch bigint, p_replica uuid, p_seq bigint, p_notify boolean,
    p_key text[], p_expect bigint[], p_deleted boolean[], p_val bytea[],
    p_fence text, p_token bigint,
    p_take_pool text[], p_take_value text[], p_drop_pool text[], p_drop_value text[],
    OUT base bigint, OUT revs bigint[], OUT creates bigint[], OUT currents bigint[]
) LANGUAGE plpgsql AS $f$
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
END $f$;

-- Settles a batch whose outcome the replica does not know because its connection was lost: tells which revisions it took, or
-- gives it up for good. Behind the same lock, so a batch that still runs is waited for, and one that comes later fails.
CREATE FUNCTION batch_settle(p_shard int, p_replica uuid, p_seq bigint, OUT base bigint, OUT applied bigint)
LANGUAGE plpgsql AS $f$
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
END $f$;

-- Takes or renews a lease; null where someone else holds it.
CREATE FUNCTION lease_acquire(p_name text, p_holder text, p_ttl interval) RETURNS bigint LANGUAGE sql AS $f$
    INSERT INTO leases AS l VALUES (p_name, p_holder, 1, clock_timestamp() + p_ttl)
    ON CONFLICT (name) DO UPDATE SET
        holder = excluded.holder,
        token = l.token + (l.holder <> excluded.holder)::int,
        until = excluded.until
    WHERE l.holder = excluded.holder OR l.until < clock_timestamp()
    RETURNING l.token;
$f$;
