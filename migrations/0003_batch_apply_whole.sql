-- A batch that is one write with what goes along with it: all of its keys hold, or nothing is written. What it does is what
-- batch_apply does; the exception undoes it.
--
-- GT005: not all hold. The detail lists per key the revision that stands (null: none).
CREATE FUNCTION batch_apply_whole(
    p_shard int, p_epoch bigint, p_replica uuid, p_seq bigint, p_notify boolean,
    p_key text[], p_expect bigint[], p_deleted boolean[], p_val bytea[],
    p_fence text, p_token bigint,
    p_take_pool text[], p_take_value text[], p_drop_pool text[], p_drop_value text[],
    OUT revs bigint[], OUT creates bigint[], OUT currents bigint[]
) LANGUAGE plpgsql AS $f$
BEGIN
    SELECT b.revs, b.creates, b.currents INTO revs, creates, currents
        FROM batch_apply(p_shard, p_epoch, p_replica, p_seq, p_notify, p_key, p_expect, p_deleted, p_val,
            p_fence, p_token, p_take_pool, p_take_value, p_drop_pool, p_drop_value) AS b;
    IF array_position(revs, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'not all of the batch holds' USING ERRCODE = 'GT005', DETAIL = to_json(currents);
    END IF;
END $f$;
