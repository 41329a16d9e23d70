-- retention: rows that have become too old, and rows that were deleted softly

CREATE FUNCTION _spotai.retention_column(relation regclass, wanted name) RETURNS name
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named text := _spotai.relation_name(relation);
    place text := split_part(named, '.', 1);
    own text := (SELECT min(b.time_column) FROM _spotai.built_in_table() b WHERE b.relation = named);
    registered boolean := EXISTS (SELECT FROM spotai.personal_data p WHERE p.relation = named);
    chosen name;
BEGIN
    IF place IN ('spotai', '_spotai') AND (own IS NULL OR wanted <> own) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('there is no retention for %s', concat_ws('.', named, wanted)),
            HINT = format('Among the tables of spotai there is one for %s.',
                          (SELECT string_agg(DISTINCT concat_ws('.', b.relation, b.time_column), ', ')
                           FROM _spotai.built_in_table() b WHERE b.time_column IS NOT NULL));
    ELSIF place NOT IN ('spotai', '_spotai') AND NOT registered THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s is not registered', named),
            HINT = 'SELECT spotai.register_personal_data(...) says which tenant and which person a row belongs to.';
    END IF;
    SELECT a.attname INTO chosen FROM pg_attribute a
    WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = 'timestamptz'::regtype
      AND a.attname = ANY (CASE WHEN coalesce(wanted, own) IS NULL THEN ARRAY['occurred_at', 'created_at']
                                ELSE ARRAY[coalesce(wanted, own)] END)
    ORDER BY a.attname DESC LIMIT 1;
    IF chosen IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_column',
            MESSAGE = format('%s has no column %s of type timestamptz', named, coalesce(quote_ident(wanted), 'occurred_at or created_at')),
            HINT = 'Name the column that says how old a row is.';
    END IF;
    RETURN chosen;
END
$$;
COMMENT ON FUNCTION _spotai.retention_column(regclass, name) IS
'the column that says how old a row of a table is; raises 0A000 for tables of the extension whose rows do not go by age, 22023 for tables that are not registered, 42703 when there is no such column';

CREATE FUNCTION _spotai.retention_set(relation regclass, keep interval, time_column name) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen name;
BEGIN
    IF relation IS NULL OR keep IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'a table and a time are needed';
    ELSIF keep < '0' OR keep > '1000 years' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'rows can be kept for 0 to 1000 years';
    ELSIF _spotai.relation_name(relation) IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = 'there is no such table';
    END IF;
    chosen := _spotai.retention_column(relation, time_column);
    INSERT INTO spotai.retention_policy AS p (tenant_id, relation, time_column, keep)
    VALUES (spotai.current_tenant(), _spotai.relation_name(retention_set.relation), chosen, retention_set.keep)
    ON CONFLICT ON CONSTRAINT retention_policy_tenant_id_relation_key DO UPDATE
    SET time_column = EXCLUDED.time_column, keep = EXCLUDED.keep, updated_at = now();
    PERFORM _spotai.audit_event('privacy.retention_set', _spotai.relation_name(relation),
                         jsonb_build_object('keep', keep, 'time_column', chosen));
END
$$;
COMMENT ON FUNCTION _spotai.retention_set(regclass, interval, name) IS
'what spotai.retention_set() does once it is allowed';

CREATE FUNCTION spotai.retention_set(relation regclass, keep interval, time_column name DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_privacy';
COMMENT ON FUNCTION spotai.retention_set(regclass, interval, name) IS
'from now on spotai.retention_run(), and jobs of the kind retention, remove the tenant''s rows of a table that are older than keep, but for those of persons under a legal hold. time_column says how old a row is; by default it is occurred_at or created_at. For tables of spotai.register_personal_data(), and of the extension''s for refresh_token, login_attempt and rate_limit_bucket. Needs privacy:write. Replaces what was set before. 0A000 for other tables of the extension, 22023 for tables that are not registered, 42703 without such a column';

CREATE FUNCTION _spotai.retention_drop(relation text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named text := _spotai.table_name(relation);
BEGIN
    DELETE FROM spotai.retention_policy p WHERE p.tenant_id = spotai.current_tenant() AND p.relation = named;
    IF FOUND THEN
        PERFORM _spotai.audit_event('privacy.retention_drop', named);
        RETURN true;
    END IF;
    RETURN false;
END
$$;
COMMENT ON FUNCTION _spotai.retention_drop(text) IS
'what spotai.retention_drop() does once it is allowed';

CREATE FUNCTION spotai.retention_drop(relation text) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_privacy';
COMMENT ON FUNCTION spotai.retention_drop(text) IS
'ends spotai.retention_set(), also for a table that is dropped; false when nothing was set. Needs privacy:write';

CREATE FUNCTION _spotai.retention_batch(of_tenant uuid, relation text, time_column name, keep interval, batch bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    target regclass := to_regclass(relation);
    tenants text;
    free text;
    leaf regclass;
    removed bigint := 0;
BEGIN
    -- the table was dropped, or is not registered any more: there is nothing that may be removed
    IF target IS NULL THEN
        RETURN 0;
    END IF;
    SELECT string_agg(DISTINCT CASE WHEN p.tenant_column IS NOT NULL THEN format('%I = $1', p.tenant_column) END, ' AND '),
           string_agg(format('(%I IS NULL OR %I <> ALL ($3))', p.subject_column, p.subject_column), ' AND ')
    INTO tenants, free
    FROM _spotai.personal_table(NULL) p WHERE p.relation = retention_batch.relation AND coalesce(p.fixed_tenant, of_tenant) = of_tenant;
    IF free IS NULL THEN
        IF NOT EXISTS (SELECT FROM _spotai.built_in_table() b WHERE b.relation = retention_batch.relation AND b.time_column IS NOT NULL) THEN
            RETURN 0;
        END IF;
        tenants := 'tenant_id = $1';
    END IF;
    FOR leaf IN
        SELECT t.relid FROM pg_partition_tree(target) t WHERE t.isleaf
        UNION ALL
        SELECT target WHERE NOT EXISTS (SELECT FROM pg_partition_tree(target))
    LOOP
        removed := removed + _spotai.as_table_owner(
            leaf, format('WITH w AS (DELETE FROM %s WHERE ctid = ANY (ARRAY(SELECT t.ctid FROM %s t WHERE %s LIMIT $5 FOR UPDATE SKIP LOCKED)) '
                         'RETURNING 1) SELECT to_jsonb(count(*)) FROM w',
                         leaf, leaf, concat_ws(' AND ', tenants, free, format('%I < $4', time_column))),
            of_tenant, NULL, _spotai.held(of_tenant), now() - keep, batch - removed)::bigint;
        EXIT WHEN removed >= batch;
    END LOOP;
    RETURN removed;
END
$$;
COMMENT ON FUNCTION _spotai.retention_batch(uuid, text, name, interval, bigint) IS
'removes up to a number of rows of a table and a tenant that are older than a time, and of nobody under a legal hold; how many';

CREATE FUNCTION _spotai.retention_step(batch bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of_tenant uuid := spotai.current_tenant();
    removed bigint;
    p record;
BEGIN
    PERFORM _spotai.lock_holds(false);
    FOR p IN SELECT r.* FROM spotai.retention_policy r WHERE r.tenant_id = of_tenant ORDER BY r.relation COLLATE "C" LOOP
        removed := _spotai.retention_batch(of_tenant, p.relation, p.time_column, p.keep, batch);
        IF removed > 0 THEN
            PERFORM _spotai.audit_event('privacy.retention', p.relation, jsonb_build_object('rows', removed));
            RETURN removed;
        END IF;
        UPDATE spotai.retention_policy r SET last_run_at = now() WHERE r.tenant_id = of_tenant AND r.id = p.id;
    END LOOP;
    RETURN 0;
END
$$;
COMMENT ON FUNCTION _spotai.retention_step(bigint) IS
'carries out the retention policies of the session''s tenant, up to a number of rows of one table; how many, 0 when nothing is left';

CREATE FUNCTION _spotai.retention_run(batch integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    removed bigint;
    total bigint := 0;
BEGIN
    IF batch IS NULL OR batch < 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a batch has at least one row';
    END IF;
    LOOP
        removed := _spotai.retention_step(batch);
        EXIT WHEN removed = 0;
        total := total + removed;
    END LOOP;
    RETURN total;
END
$$;
COMMENT ON FUNCTION _spotai.retention_run(integer) IS
'what spotai.retention_run() does once it is allowed';

CREATE FUNCTION spotai.retention_run(batch integer DEFAULT 10000) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_privacy';
COMMENT ON FUNCTION spotai.retention_run(integer) IS
'removes now what the tenant''s retention policies say, so many rows at a time, in the caller''s transaction, and answers how many; a job of the kind retention does the same with a transaction for each batch. Needs privacy:write. 22023 for a batch of no row, 25001 in REPEATABLE READ and SERIALIZABLE';

-- ---- what was deleted softly

CREATE FUNCTION _spotai.purge_tracks(of_tenant uuid, before timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    removed bigint;
    audios uuid[];
BEGIN
    WITH gone AS (DELETE FROM spotai.track t WHERE t.tenant_id = of_tenant AND t.deleted_at < before RETURNING t.audio_id)
    SELECT count(*), array_agg(DISTINCT g.audio_id) INTO removed, audios FROM gone g;
    -- two tracks may share an original; nobody makes another one of it meanwhile
    PERFORM FROM spotai.audio a WHERE a.tenant_id = of_tenant AND a.id = ANY (audios) ORDER BY a.id FOR UPDATE;
    DELETE FROM spotai.audio a
    WHERE a.tenant_id = of_tenant AND a.id = ANY (audios) AND a.kind = 'original'
      AND NOT EXISTS (SELECT FROM spotai.track t WHERE t.tenant_id = of_tenant AND t.audio_id = a.id);
    RETURN removed;
END
$$;
COMMENT ON FUNCTION _spotai.purge_tracks(uuid, timestamptz) IS
'removes tracks that were deleted before a time, with their stems and remixes, and originals that no other track has; how many tracks';

CREATE FUNCTION _spotai.purge_principals(of_tenant uuid, before timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    victim uuid;
    removed bigint := 0;
BEGIN
    FOR victim IN
        SELECT p.id FROM spotai.principal p
        WHERE p.tenant_id = of_tenant AND p.deleted_at < before AND p.id <> ALL (_spotai.held(of_tenant)) ORDER BY p.id
    LOOP
        BEGIN
            DELETE FROM spotai.principal p WHERE p.tenant_id = of_tenant AND p.id = victim;
            removed := removed + 1;
        EXCEPTION WHEN foreign_key_violation THEN
            NULL; -- a table of the user's still refers to it
        END;
    END LOOP;
    RETURN removed;
END
$$;
COMMENT ON FUNCTION _spotai.purge_principals(uuid, timestamptz) IS
'removes principals that were deleted before a time, with their credentials, but for those under a legal hold or in a foreign key; how many';

-- In whatever order the foreign keys allow, so that no table can be forgotten.
CREATE FUNCTION _spotai.purge_tenant(victim uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    waiting regclass[];
    next_round regclass[] := ARRAY(
        SELECT c.oid FROM pg_class c
        WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND _spotai.uuid_column(c.oid, 'tenant_id')
          AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = 'append_only'));
    emptied regclass;
BEGIN
    WHILE cardinality(next_round) > 0 LOOP
        waiting := next_round;
        next_round := '{}';
        FOREACH emptied IN ARRAY waiting LOOP
            BEGIN
                EXECUTE format('DELETE FROM %s WHERE tenant_id = $1', emptied) USING victim;
            EXCEPTION WHEN foreign_key_violation THEN
                IF cardinality(waiting) = 1 THEN
                    RAISE;
                END IF;
                next_round := next_round || emptied;
            END;
        END LOOP;
        IF cardinality(next_round) = cardinality(waiting) THEN
            RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation', MESSAGE = 'rows of the tenant are still referred to';
        END IF;
    END LOOP;
    DELETE FROM spotai.tenant t WHERE t.id = victim;
END
$$;
COMMENT ON FUNCTION _spotai.purge_tenant(uuid) IS
'removes a tenant and all its rows, but for the audit log, whose details become unreadable with the tenant''s data keys; raises 23503 when a table of the user''s still refers to it';

CREATE FUNCTION _spotai.purge_tenants(before timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    victim uuid;
    removed bigint := 0;
BEGIN
    FOR victim IN
        SELECT t.id FROM spotai.tenant t
        WHERE t.deleted_at < before AND t.id <> spotai.current_tenant() AND _spotai.held(t.id) = '{}' ORDER BY t.id
    LOOP
        BEGIN
            PERFORM _spotai.purge_tenant(victim);
            removed := removed + 1;
        EXCEPTION WHEN foreign_key_violation THEN
            NULL;
        END;
    END LOOP;
    RETURN removed;
END
$$;
COMMENT ON FUNCTION _spotai.purge_tenants(timestamptz) IS
'removes tenants that were deleted before a time, but for those with a legal hold or in a foreign key of the user''s; how many';

CREATE FUNCTION _spotai.purge(older_than interval, OUT tracks bigint, OUT principals bigint, OUT tenants bigint)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of_tenant uuid := spotai.current_tenant();
    before timestamptz;
BEGIN
    IF older_than IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'the time must not be null';
    ELSIF older_than < '0' OR older_than > '1000 years' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'the time can be 0 to 1000 years';
    END IF;
    before := now() - older_than;
    PERFORM _spotai.lock_holds(false);
    tracks := _spotai.purge_tracks(of_tenant, before);
    principals := _spotai.purge_principals(of_tenant, before);
    tenants := 0;
    IF spotai.current_principal() IS NULL THEN
        tenants := _spotai.purge_tenants(before);
    END IF;
    PERFORM _spotai.audit_event('privacy.purge', 'deleted rows',
                         jsonb_build_object('tracks', tracks, 'principals', principals, 'tenants', tenants));
END
$$;
COMMENT ON FUNCTION _spotai.purge(interval) IS
'what spotai.purge() does once it is allowed';

CREATE FUNCTION spotai.purge(older_than interval DEFAULT '30 days', OUT tracks bigint, OUT principals bigint, OUT tenants bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_privacy';
COMMENT ON FUNCTION spotai.purge(interval) IS
'removes for good what has been deleted (deleted_at) for longer than that: tracks with their stems and remixes, principals with their credentials, and, for the operator, whole tenants; answers how many of each. Passes over what a legal hold or a foreign key of the user''s own tables keeps. The audit log stays. Needs privacy:write. 22004 and 22023 for what is no time, 25001 in REPEATABLE READ and SERIALIZABLE';
