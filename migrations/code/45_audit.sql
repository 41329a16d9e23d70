-- audit: a log that shows whether anybody has changed it

-- The C code writes without triggers; this one stops everybody who uses SQL.
CREATE FUNCTION _spotai.audit_append_only() RETURNS trigger
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_audit_append_only';
COMMENT ON FUNCTION _spotai.audit_append_only() IS
'trigger of the tables of the audit log: raises 42501, whoever asks';

-- Without SET search_path, which would cost a tenth of what a small INSERT
-- does: it looks nothing up by a name without its schema.
CREATE FUNCTION _spotai.audit_rows() RETURNS trigger
LANGUAGE C VOLATILE
AS 'MODULE_PATHNAME', 'spotai_audit_rows';
COMMENT ON FUNCTION _spotai.audit_rows() IS
'trigger that spotai.audit_enable() makes: writes the rows of a statement to the audit log';

-- What refers to the extension's functions goes with DROP EXTENSION, so
-- migrate() puts it back.
CREATE PROCEDURE _spotai.audit_guard(guarded regclass)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = guarded AND tgname = 'append_only') THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TRIGGER append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s '
                   'FOR EACH STATEMENT EXECUTE FUNCTION _spotai.audit_append_only()', guarded);
    -- also for session_replication_role = replica
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER append_only', guarded);
END
$$;
COMMENT ON PROCEDURE _spotai.audit_guard(regclass) IS
'refuses INSERT, UPDATE, DELETE and TRUNCATE on a table of the audit log; safe to repeat';

CREATE FUNCTION _spotai.audit_make_partition(at timestamptz) RETURNS regclass
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first_day timestamptz := date_trunc('month', at, 'UTC');
    next_month timestamptz := date_trunc('month', date_trunc('month', at, 'UTC') + interval '32 days', 'UTC');
    name text := format('spotai.%I', 'audit_entry_' || to_char(at AT TIME ZONE 'UTC', 'YYYY_MM'));
BEGIN
    IF to_regclass(name) IS NOT NULL THEN
        RETURN to_regclass(name);
    END IF;
    -- one at a time; attaching takes the same lock, which no writer waits for
    LOCK TABLE spotai.audit_entry IN SHARE UPDATE EXCLUSIVE MODE;
    IF to_regclass(name) IS NOT NULL THEN
        RETURN to_regclass(name);
    END IF;
    EXECUTE format('CREATE TABLE %s (LIKE spotai.audit_entry INCLUDING ALL)', name);
    EXECUTE format('ALTER TABLE spotai.audit_entry ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', name, first_day, next_month);
    EXECUTE format('COMMENT ON TABLE %s IS %L', name, 'entries of spotai.audit_entry from a month (UTC)');
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant_isolation ON %s USING (tenant_id = (SELECT spotai.current_tenant())) '
                   'WITH CHECK (tenant_id = (SELECT spotai.current_tenant()))', name);
    CALL _spotai.permit_table(name::regclass);
    CALL _spotai.audit_guard(name::regclass);
    RETURN name::regclass;
END
$$;
COMMENT ON FUNCTION _spotai.audit_make_partition(timestamptz) IS
'the partition of spotai.audit_entry for the month (UTC) of a time, made if need be';

CREATE PROCEDURE _spotai.migrated_audit()
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    guarded regclass;
    reader text;
BEGIN
    FOR guarded IN
        SELECT c.oid FROM pg_class c
        WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind IN ('r', 'p')
          AND (c.relname IN ('audit_entry', 'audit_pending', 'audit_leaf', 'audit_node', 'audit_key', 'audit_checkpoint', 'subject_key')
               OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid AND i.inhparent = 'spotai.audit_entry'::regclass))
    LOOP
        CALL _spotai.audit_guard(guarded);
    END LOOP;
    PERFORM _spotai.audit_make_partition(now());
    PERFORM _spotai.audit_make_partition(now() + interval '1 month');
    -- the public halves of the log's keys, for those who verify
    FOREACH reader IN ARRAY ARRAY['spotai_admin', 'spotai_auditor'] LOOP
        IF to_regrole(reader) IS NOT NULL AND NOT has_column_privilege(reader, 'spotai.audit_key', 'verifier', 'SELECT') THEN
            EXECUTE format('GRANT SELECT (id, origin, verifier, created_at) ON spotai.audit_key TO %I', reader);
        END IF;
    END LOOP;
END
$$;
COMMENT ON PROCEDURE _spotai.migrated_audit() IS
'what migrate() does for the audit log once its tables are there: guards, partitions for this month and the next, and who may read the public halves of its keys';

CREATE FUNCTION spotai.audit(action text, object text, detail jsonb DEFAULT '{}', subject uuid DEFAULT NULL) RETURNS uuid
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_audit';
COMMENT ON FUNCTION spotai.audit(text, text, jsonb, uuid) IS
'writes an entry to the audit log, in the caller''s transaction and in the name of whoever has logged in, and answers its id. With a subject, the person whom the detail is about, the detail is encrypted under that person''s key; action and object stay readable for ever, so they name nobody. Raises 22004 without an action or object, 22000 for an empty action, 54000 when they are longer than 255 and 8192 bytes, 42501 when the session belongs to no tenant. Needs audit:write';

CREATE FUNCTION _spotai.audit_event(action text, object text, detail jsonb DEFAULT '{}', subject uuid DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_audit_event';
COMMENT ON FUNCTION _spotai.audit_event(text, text, jsonb, uuid) IS
'writes an event of the extension itself to the audit log, for its functions in SQL; nothing when spotai.audit_skip names its kind, the first word of the action, or on a standby';

CREATE FUNCTION spotai.audit_enable(relation regclass, columns text[] DEFAULT NULL, subject_column text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kind "char" := (SELECT c.relkind FROM pg_class c WHERE c.oid = relation);
    stranger text := (SELECT x FROM unnest(columns) x
                      WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = x
                                        AND a.attnum > 0 AND NOT a.attisdropped) LIMIT 1);
    arguments text := concat_ws(', ', quote_literal(coalesce(subject_column, '')),
                                (SELECT string_agg(quote_literal(x), ', ') FROM unnest(columns) x));
BEGIN
    PERFORM _spotai.require_tables();
    PERFORM _spotai.permitted('audit:write');
    IF relation IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'no table was given';
    ELSIF kind NOT IN ('r', 'p') OR kind IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('%s is not a table', relation);
    ELSIF EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgname = 'append_only'
                  AND t.tgfoid = '_spotai.audit_append_only()'::regprocedure) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('%s is part of the audit log', relation);
    ELSIF EXISTS (SELECT FROM pg_class c WHERE c.oid = relation AND c.relpersistence = 't') THEN
        RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('%s is a temporary table', relation);
    ELSIF cardinality(columns) = 0 OR array_position(columns, NULL) IS NOT NULL OR stranger IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_column',
            MESSAGE = format('%s has no column %s', relation, coalesce(quote_ident(stranger), 'of that name')),
            HINT = 'Name the columns to write down, or leave the argument out for all of them.';
    ELSIF subject_column IS NOT NULL AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = subject_column
                                                     AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid = 'uuid'::regtype) THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_column',
            MESSAGE = format('%s has no column %s of type uuid', relation, quote_ident(subject_column));
    END IF;
    PERFORM _spotai.audit_drop_triggers(relation);
    EXECUTE format('CREATE TRIGGER spotai_audit_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows '
                   'FOR EACH STATEMENT EXECUTE FUNCTION _spotai.audit_rows(%s)', relation, arguments);
    EXECUTE format('CREATE TRIGGER spotai_audit_update AFTER UPDATE ON %s REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows '
                   'FOR EACH STATEMENT EXECUTE FUNCTION _spotai.audit_rows(%s)', relation, arguments);
    EXECUTE format('CREATE TRIGGER spotai_audit_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows '
                   'FOR EACH STATEMENT EXECUTE FUNCTION _spotai.audit_rows(%s)', relation, arguments);
    EXECUTE format('CREATE TRIGGER spotai_audit_truncate AFTER TRUNCATE ON %s '
                   'FOR EACH STATEMENT EXECUTE FUNCTION _spotai.audit_rows(%s)', relation, arguments);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER spotai_audit_insert, ENABLE ALWAYS TRIGGER spotai_audit_update, '
                   'ENABLE ALWAYS TRIGGER spotai_audit_delete, ENABLE ALWAYS TRIGGER spotai_audit_truncate', relation);
    PERFORM _spotai.audit_event('audit.enable', _spotai.relation_name(relation), jsonb_build_object('columns', columns, 'subject', subject_column));
END
$$;
COMMENT ON FUNCTION spotai.audit_enable(regclass, text[], text) IS
'from now on writes every change of a table''s rows to the audit log, of all columns or of those given; the caller owns the table. With a subject_column, of type uuid, what is written of a row is encrypted under the key of the person whom it names; the primary key is not. Rows written to a partition by its own name need the partition to be enabled too. Raises 42809 for what is no table, 42703 for unknown columns, 22023 for tables of the log itself. Whoever has logged in needs audit:write';

CREATE FUNCTION spotai.audit_disable(relation regclass) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM _spotai.permitted('audit:write');
    IF NOT _spotai.audit_drop_triggers(relation) THEN
        RETURN false;
    END IF;
    PERFORM _spotai.audit_event('audit.disable', _spotai.relation_name(relation));
    RETURN true;
END
$$;
COMMENT ON FUNCTION spotai.audit_disable(regclass) IS
'ends what spotai.audit_enable() began, and writes that to the log too; false when the table was not enabled. Whoever has logged in needs audit:write';

CREATE FUNCTION _spotai.audit_drop_triggers(relation regclass) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    victim name;
    found_one boolean := false;
BEGIN
    FOR victim IN
        SELECT t.tgname FROM pg_trigger t
        WHERE t.tgrelid = relation AND NOT t.tgisinternal AND t.tgfoid = '_spotai.audit_rows()'::regprocedure
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', victim, relation);
        found_one := true;
    END LOOP;
    RETURN found_one;
END
$$;
COMMENT ON FUNCTION _spotai.audit_drop_triggers(regclass) IS
'removes the triggers of spotai.audit_enable(); whether there were any';

CREATE FUNCTION _spotai.relation_name(relation regclass) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation
$$;
COMMENT ON FUNCTION _spotai.relation_name(regclass) IS
'name of a table with its schema, whatever the search path';

CREATE FUNCTION spotai.audit_detail(entry uuid) RETURNS jsonb
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000 SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_audit_detail';
COMMENT ON FUNCTION spotai.audit_detail(uuid) IS
'detail of an entry, decrypted when it is about a person; null once that person''s key has been destroyed. Raises P0002 for an entry that is not known, 55000 without the key-encryption key that is needed. Whoever has logged in needs audit:read';

CREATE FUNCTION _spotai.audit_detail(entry uuid) RETURNS jsonb
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_audit_detail_unasked';
COMMENT ON FUNCTION _spotai.audit_detail(uuid) IS
'as spotai.audit_detail(), without asking for a permission: for the export of a person''s data, which asks for its own. For the owner of the tables';

CREATE FUNCTION _spotai.audit_forget(subject uuid) RETURNS integer
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_audit_forget';
COMMENT ON FUNCTION _spotai.audit_forget(uuid) IS
'destroys the keys of a person in the session''s tenant, so that all that the audit log has about them is unreadable from the commit on, and every proof still holds; how many keys there were. For the privacy room, as the last step of an erasure';

CREATE FUNCTION spotai.audit_seal() RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000 SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_audit_seal';
COMMENT ON FUNCTION spotai.audit_seal() IS
'gives every committed entry its position in the log, signs a checkpoint when there are new ones, and answers how many. The sealer of a preloaded server does it by itself. Raises 55000 when no key-encryption key is configured, 25001 in a transaction of another level than READ COMMITTED. Whoever has logged in needs audit:write';

CREATE FUNCTION spotai.audit_inclusion_proof(entry uuid, tree_size bigint DEFAULT NULL) RETURNS bytea[]
LANGUAGE C STABLE PARALLEL SAFE COST 1000 SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_audit_inclusion_proof';
COMMENT ON FUNCTION spotai.audit_inclusion_proof(uuid, bigint) IS
'proof that an entry is in the log of a size (RFC 9162, section 2.1.3), by default that of the last checkpoint: hashes, nearest to the leaf first. Raises P0002 for an entry that is not known, 55000 for one that is not sealed yet, 22023 for a size that does not cover it';

CREATE FUNCTION spotai.audit_consistency_proof(old_size bigint, new_size bigint) RETURNS bytea[]
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000 SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_audit_consistency_proof';
COMMENT ON FUNCTION spotai.audit_consistency_proof(bigint, bigint) IS
'proof that the log of new_size continues that of old_size (RFC 9162, section 2.1.4). Raises 22023 unless 0 < old_size <= new_size <= size of the log';

CREATE FUNCTION spotai.audit_verify_inclusion(leaf bytea, "position" bigint, tree_size bigint, proof bytea[], root bytea) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_audit_verify_inclusion';
COMMENT ON FUNCTION spotai.audit_verify_inclusion(bytea, bigint, bigint, bytea[], bytea) IS
'whether a proof of spotai.audit_inclusion_proof() holds: the leaf hash is at the position, counted from 0, of the log of that size and root; false for proofs that are too short or too long. Raises 22023 for hashes that have not 32 bytes and for negative numbers, 22004 for nulls in the proof';

CREATE FUNCTION spotai.audit_verify_consistency(old_size bigint, new_size bigint, proof bytea[], old_root bytea, new_root bytea) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_audit_verify_consistency';
COMMENT ON FUNCTION spotai.audit_verify_consistency(bigint, bigint, bytea[], bytea, bytea) IS
'whether a proof of spotai.audit_consistency_proof() holds: the log of the new size and root continues that of the old ones; false for an old_size of 0, which proves nothing. Raises 22023 for hashes that have not 32 bytes and for negative numbers, 22004 for nulls in the proof';

CREATE FUNCTION spotai.audit_checkpoint() RETURNS text
LANGUAGE C STABLE PARALLEL SAFE COST 100 SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_audit_checkpoint';
COMMENT ON FUNCTION spotai.audit_checkpoint() IS
'the last signed checkpoint (c2sp.org/tlog-checkpoint), to be kept outside of the database; null when nothing has been sealed. Raises 25001 in a transaction that has sealed: a checkpoint that is rolled back must not get out';

CREATE FUNCTION spotai.audit_verify(OUT tree_size bigint, OUT ok boolean, OUT first_bad uuid, OUT detail text)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1 SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_audit_verify';
COMMENT ON FUNCTION spotai.audit_verify() IS
'reads the whole log and says whether it is what was sealed: one row with ok when it is, otherwise a row for each finding with the first entry that it can be. Compares with what is in the database alone: spotai-verify and a checkpoint kept outside prove more. Whoever has logged in needs audit:read';

CREATE FUNCTION spotai.audit_export(from_size bigint, to_size bigint) RETURNS SETOF text
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000000 ROWS 10000 SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_audit_export';
COMMENT ON FUNCTION spotai.audit_export(bigint, bigint) IS
'the log from one size to another as JSON lines with a signed checkpoint at the end, for the program spotai-verify. Raises 22023 unless 0 <= from_size <= to_size <= size of the log, 25001 in a transaction that has sealed. Whoever has logged in needs audit:read';
