-- privacy: consent, export, erasure, legal holds
--
-- What sessions may call is in schema spotai and in C (src/pg/privacy/privacy.c): it
-- asks for the permission in the caller's name, then runs the function of the
-- same name in _spotai with the privileges of the tables' owner.

-- ---- which tables hold personal data: the one place

-- Every table of the schema is here, or a test fails (sql/privacy.sql).  A row
-- is a table and a column that says whose a row of it is.  Erasing goes from
-- the top to the bottom.
--   delete     the person's rows go
--   anonymise  their columns get these values
--   key        the key that they are encrypted under is destroyed
--   keep       the id stays, and names nobody once the person is erased
--   none       no personal data, for the reason in the last column
CREATE FUNCTION _spotai.built_in_table(
    OUT relation text, OUT subject_column text, OUT erase text, OUT anonymise jsonb, OUT exported text[],
    OUT time_column text, OUT reason text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 40
SET search_path = pg_catalog, pg_temp AS $$
VALUES
    ('spotai.refresh_token', 'principal_id', 'delete', NULL::jsonb,
     ARRAY['id', 'family_id', 'created_at', 'expires_at', 'used_at', 'revoked_at', 'authenticated_at', 'methods', 'scopes', 'label', 'certificate'], 'expires_at', 'sessions of a person; the hash is not shown'),
    ('spotai.recovery_code', 'principal_id', 'delete', NULL, ARRAY['created_at'], NULL, 'the hash is not shown'),
    ('spotai.totp', 'principal_id', 'delete', NULL,
     ARRAY['last_step', 'failures', 'locked_until', 'confirmed_at', 'created_at', 'updated_at'], NULL, 'the secret is not shown'),
    ('spotai.api_key', 'principal_id', 'delete', NULL,
     ARRAY['id', 'name', 'prefix', 'scopes', 'networks', 'expires_at', 'last_used_at', 'created_at', 'revoked_at'], NULL,
     'the hash is not shown'),
    ('spotai.role_member', 'principal_id', 'delete', NULL, ARRAY['role_id', 'created_at'], NULL, 'what a person may do'),
    ('spotai.login_attempt', 'principal_id', 'anonymise', '{"principal_id": "NULL", "client": "NULL"}',
     ARRAY['id', 'occurred_at', 'kind', 'accepted', 'reason', 'client'], 'occurred_at', 'that somebody logged in stays, not who and from where'),
    ('spotai.consent_event', 'subject_id', 'anonymise', '{"evidence": "NULL"}',
     ARRAY['id', 'purpose', 'event', 'text_version', 'evidence', 'occurred_at'], NULL, 'that consent was given, and when, must be provable afterwards'),
    ('spotai.legal_hold', 'subject_id', 'anonymise', '{"reason": "''erased''"}',
     ARRAY['id', 'placed_at', 'released_at'], NULL, 'that there was a hold stays, not why; why is not shown'),
    ('spotai.principal', 'id', 'anonymise',
     '{"name": "''erased '' || id", "issuer": "NULL", "subject": "NULL", "deleted_at": "coalesce(deleted_at, now())"}',
     ARRAY['id', 'kind', 'name', 'issuer', 'subject', 'tokens_after', 'created_at', 'updated_at', 'deleted_at'], NULL,
     'the row stays for those that refer to it, until spotai.purge()'),
    ('spotai.audit_entry', 'subject_id', 'key', NULL,
     ARRAY['id', 'occurred_at', 'principal_id', 'action', 'object', 'detail'], NULL, 'entries are never changed; the key to their details is destroyed'),
    ('spotai.subject_key', 'subject_id', 'key', NULL, NULL, NULL, 'the keys themselves'),
    ('spotai.audit_entry', 'principal_id', 'keep', NULL, ARRAY['id', 'occurred_at', 'action', 'object'], NULL,
     'what a person did; the details may be about others'),
    ('spotai.consent_event', 'principal_id', 'keep', NULL, ARRAY['id', 'occurred_at', 'purpose', 'event'], NULL, 'who recorded it'),
    ('spotai.legal_hold', 'placed_by_principal_id', 'keep', NULL, ARRAY['id', 'placed_at'], NULL, 'who placed it'),
    ('spotai.legal_hold', 'released_by_principal_id', 'keep', NULL, ARRAY['id', 'released_at'], NULL, 'who released it'),
    ('spotai.tenant', NULL, 'none', NULL, NULL, NULL, 'customers of the operator, which are organisations'),
    ('spotai.schema_migration', NULL, 'none', NULL, NULL, NULL, 'steps of the table layer, and the database roles that applied them'),
    ('spotai.role', NULL, 'none', NULL, NULL, NULL, 'names of roles'),
    ('spotai.permission', NULL, 'none', NULL, NULL, NULL, 'permissions of roles'),
    ('spotai.signing_key', NULL, 'none', NULL, NULL, NULL, 'keys of the tenant'),
    ('spotai.trusted_issuer', NULL, 'none', NULL, NULL, NULL, 'servers that issue tokens'),
    ('spotai.rate_limit_bucket', NULL, 'none', NULL, NULL, 'expires_at', 'what is counted, in the caller''s words: ids, never names or addresses'),
    ('spotai.data_key', NULL, 'none', NULL, NULL, NULL, 'keys of the tenant'),
    ('spotai.secret', NULL, 'none', NULL, NULL, NULL, 'credentials of the tenant, encrypted'),
    ('spotai.audio', NULL, 'none', NULL, NULL, NULL, 'music; nobody owns a row but the tenant'),
    ('spotai.audio_chunk', NULL, 'none', NULL, NULL, NULL, 'the bytes of music'),
    ('spotai.track', NULL, 'none', NULL, NULL, NULL, 'published works, and the names that they are published under'),
    ('spotai.embedding_space', NULL, 'none', NULL, NULL, NULL, 'names of programs'),
    ('spotai.track_embedding', NULL, 'none', NULL, NULL, NULL, 'numbers made of music'),
    ('spotai.job', NULL, 'none', NULL, NULL, NULL, 'work on tracks and files, by roles of the database'),
    ('spotai.schedule', NULL, 'none', NULL, NULL, NULL, 'as jobs'),
    ('spotai.model', NULL, 'none', NULL, NULL, NULL, 'weights and their origin'),
    ('spotai.model_tensor', NULL, 'none', NULL, NULL, NULL, 'weights'),
    ('spotai.model_chunk', NULL, 'none', NULL, NULL, NULL, 'weights'),
    ('spotai.audit_pending', NULL, 'none', NULL, NULL, NULL, 'hashes; with the random bytes of an entry''s id, which nobody can guess'),
    ('spotai.audit_leaf', NULL, 'none', NULL, NULL, NULL, 'hashes'),
    ('spotai.audit_node', NULL, 'none', NULL, NULL, NULL, 'hashes'),
    ('spotai.audit_key', NULL, 'none', NULL, NULL, NULL, 'keys of the log'),
    ('spotai.audit_checkpoint', NULL, 'none', NULL, NULL, NULL, 'signed roots of the log'),
    ('spotai.retention_policy', NULL, 'none', NULL, NULL, NULL, 'names of tables'),
    ('spotai.personal_data', NULL, 'none', NULL, NULL, NULL, 'names of tables')
$$;
COMMENT ON FUNCTION _spotai.built_in_table() IS
'each table of the extension: whose data it holds, what an erasure does with it and what an export shows, or why it holds none. The one place where a new table joins';

CREATE FUNCTION _spotai.blank(relation regclass, "column" name, subject text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN NOT a.attnotnull THEN 'NULL'
                WHEN t.typcategory = 'S' THEN quote_literal('erased ' || subject)
                ELSE NULL END
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = relation AND a.attname = "column" AND a.attnum > 0 AND NOT a.attisdropped
$$;
COMMENT ON FUNCTION _spotai.blank(regclass, name, text) IS
'what stands in a column once its row is anonymised, as SQL: null, or "erased" and the person''s id where the column is a text that must not be null; null when there is no such column, or nothing can stand in it';

CREATE FUNCTION _spotai.personal_table(
    subject uuid,
    OUT relation text, OUT subject_column text, OUT erase text, OUT anonymise jsonb, OUT exported text[],
    OUT time_column text, OUT tenant_column text, OUT fixed_tenant uuid, OUT rank bigint)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 20
SET search_path = pg_catalog, pg_temp AS $$
    -- the user's own tables first: they may refer to ours
    SELECT p.relation, p.subject_column::text, p.erase,
           (SELECT jsonb_object_agg(b, coalesce(_spotai.blank(to_regclass(p.relation), b, subject::text), 'NULL')) FROM unnest(p.blanked) b),
           p.exported::text[], NULL::text, p.tenant_column::text, p.fixed_tenant,
           row_number() OVER (ORDER BY p.relation COLLATE "C", p.subject_column COLLATE "C") - 1000000
    FROM spotai.personal_data p
    UNION ALL
    SELECT b.relation, b.subject_column, b.erase, b.anonymise, b.exported, b.time_column, 'tenant_id', NULL, b.ordinality
    FROM _spotai.built_in_table() WITH ORDINALITY b
    WHERE b.erase <> 'none'
$$;
COMMENT ON FUNCTION _spotai.personal_table(uuid) IS
'tables with personal data, those of the extension and those of the user, in the order in which they are erased';

CREATE FUNCTION _spotai.mine(tenant_column text, subject_column text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT concat_ws(' AND ', CASE WHEN tenant_column IS NOT NULL THEN format('%I = $1', tenant_column) END,
                     format('%I = $2', subject_column))
$$;
COMMENT ON FUNCTION _spotai.mine(text, text) IS
'condition for the rows of a person ($2) in a tenant ($1)';

CREATE FUNCTION _spotai.as_table_owner(
    relation regclass, statement text, tenant uuid, subject uuid DEFAULT NULL, held uuid[] DEFAULT NULL,
    before timestamptz DEFAULT NULL, batch bigint DEFAULT NULL)
RETURNS jsonb
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_as_table_owner';
COMMENT ON FUNCTION _spotai.as_table_owner(regclass, text, uuid, uuid, uuid[], timestamptz, bigint) IS
'runs a statement that answers one jsonb with the privileges of a table''s owner and no others, so that triggers and types of that owner gain nothing; $1 to $5 are the arguments from tenant on. 42501 where the caller is no member of that owner, 40001 where the statement is not about that table: it has been replaced';

CREATE FUNCTION _spotai.may_give_away(relation regclass) RETURNS boolean
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_may_give_away';
COMMENT ON FUNCTION _spotai.may_give_away(regclass) IS
'whether the role of the session owns a table, or has all rights of its owner';

CREATE FUNCTION _spotai.uuid_column(relation regclass, "column" name) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = "column" AND a.attnum > 0
                   AND NOT a.attisdropped AND a.atttypid = 'uuid'::regtype)
$$;
COMMENT ON FUNCTION _spotai.uuid_column(regclass, name) IS
'whether a table has a column of that name and of type uuid';

CREATE FUNCTION _spotai.register_personal_data(
    relation regclass, subject_column name, erase text, columns name[],
    exported name[], tenant_column name)
RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kind "char" := (SELECT c.relkind FROM pg_class c WHERE c.oid = relation AND c.relpersistence <> 't');
    place text := (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation);
    problem text;
    code text := 'invalid_parameter_value';
BEGIN
    IF relation IS NULL OR subject_column IS NULL OR erase IS NULL THEN
        problem := 'a table, its column for the person, and what to do with rows are needed';
        code := 'null_value_not_allowed';
    ELSIF kind IS NULL OR kind NOT IN ('r', 'p') THEN
        problem := format('%s is not a table that stays', relation);
        code := 'wrong_object_type';
    ELSIF place IN ('spotai', '_spotai', 'information_schema') OR place LIKE 'pg\_%' THEN
        problem := format('%s is not a table of yours', relation);
    ELSIF NOT _spotai.may_give_away(relation) THEN
        problem := format('must be owner of table %s', relation);
        code := 'insufficient_privilege';
    ELSIF NOT _spotai.uuid_column(relation, subject_column) THEN
        problem := format('%s has no column %I of type uuid', relation, subject_column);
        code := 'undefined_column';
    ELSIF tenant_column IS NOT NULL AND NOT _spotai.uuid_column(relation, tenant_column) THEN
        problem := format('%s has no column %I of type uuid', relation, tenant_column);
        code := 'undefined_column';
    ELSIF erase NOT IN ('delete', 'anonymise') THEN
        problem := 'an erasure can delete or anonymise';
    ELSIF (erase = 'anonymise') <> (columns IS NOT NULL) THEN
        problem := 'columns are for anonymise, and needed there';
    ELSIF cardinality(columns) = 0 OR cardinality(exported) = 0 THEN
        problem := 'a list of columns is empty';
    ELSIF tenant_column = ANY (columns) THEN
        problem := 'the tenant of a row can not be blanked';
    ELSE
        SELECT format('%s has no column %I', relation, u.x) INTO problem
        FROM unnest(columns || exported) u (x)
        WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = u.x AND a.attnum > 0
                          AND NOT a.attisdropped) LIMIT 1;
        IF problem IS NOT NULL THEN
            code := 'undefined_column';
        ELSE
            SELECT format('column %I of %s can not be blanked: it must not be null and is no text', u.x, relation) INTO problem
            FROM unnest(columns) u (x) WHERE _spotai.blank(relation, u.x, '') IS NULL LIMIT 1;
        END IF;
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = code, MESSAGE = problem;
    END IF;
    INSERT INTO spotai.personal_data (relation, subject_column, erase, blanked, exported, tenant_column, fixed_tenant)
    VALUES (_spotai.relation_name(relation), register_personal_data.subject_column, register_personal_data.erase,
            register_personal_data.columns, register_personal_data.exported, register_personal_data.tenant_column,
            CASE WHEN register_personal_data.tenant_column IS NULL THEN spotai.current_tenant() END)
    ON CONFLICT ON CONSTRAINT personal_data_pkey DO UPDATE
    SET erase = EXCLUDED.erase, blanked = EXCLUDED.blanked, exported = EXCLUDED.exported,
        tenant_column = EXCLUDED.tenant_column, fixed_tenant = EXCLUDED.fixed_tenant;
    PERFORM _spotai.audit_event('privacy.register', _spotai.relation_name(relation),
                         jsonb_build_object('subject_column', subject_column, 'erase', erase, 'columns', columns));
END
$$;
COMMENT ON FUNCTION _spotai.register_personal_data(regclass, name, text, name[], name[], name) IS
'what spotai.register_personal_data() does once it is allowed';

CREATE FUNCTION spotai.register_personal_data(
    relation regclass, subject_column name, erase text DEFAULT 'delete', columns name[] DEFAULT NULL,
    exported name[] DEFAULT NULL, tenant_column name DEFAULT 'tenant_id')
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_privacy';
COMMENT ON FUNCTION spotai.register_personal_data(regclass, name, text, name[], name[], name) IS
'lets exports and erasures know a table of one''s own: subject_column says whose a row is, and tenant_column of which tenant; null there: all rows are the session''s tenant''s. An erasure deletes the person''s rows, or, with anonymise, blanks the columns. exported: what an export shows, by default everything. Registering again replaces. For the operator who owns the table: 42501. 42703 for columns that are missing or no uuid, 42809 for what is no table, 22023 for what can not be done';

CREATE FUNCTION _spotai.table_name(given text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce(_spotai.relation_name(to_regclass(given)), given);
EXCEPTION WHEN syntax_error OR invalid_name OR feature_not_supported THEN
    RETURN given; -- no name of any table
END
$$;
COMMENT ON FUNCTION _spotai.table_name(text) IS
'name of a table as it is registered, also of one that is dropped';

CREATE FUNCTION _spotai.unregister_personal_data(relation text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named text := _spotai.table_name(relation);
BEGIN
    DELETE FROM spotai.personal_data p WHERE p.relation = named;
    IF FOUND THEN
        PERFORM _spotai.audit_event('privacy.unregister', named);
        RETURN true;
    END IF;
    RETURN false;
END
$$;
COMMENT ON FUNCTION _spotai.unregister_personal_data(text) IS
'what spotai.unregister_personal_data() does once it is allowed';

CREATE FUNCTION spotai.unregister_personal_data(relation text) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_privacy';
COMMENT ON FUNCTION spotai.unregister_personal_data(text) IS
'ends spotai.register_personal_data(), also for a table that is dropped; false when it was not registered. For the operator alone: 42501';

-- ---- who waits for whom

CREATE FUNCTION _spotai.check_text(what text, value text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF value IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = format('%s must not be null', what);
    ELSIF value = '' OR octet_length(value) > 255 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('%s must have 1 to 255 bytes', what);
    END IF;
END
$$;
COMMENT ON FUNCTION _spotai.check_text(text, text) IS
'raises 22004 for null, 22023 for a text that has not 1 to 255 bytes';

CREATE FUNCTION _spotai.check_subject(subject uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF subject IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'the subject must not be null';
    END IF;
END
$$;
COMMENT ON FUNCTION _spotai.check_subject(uuid) IS
'raises 22004 for null';

-- Holds and what removes rows wait for each other; two removals do not.  Always
-- taken before the lock of a person, so nobody waits in a circle.
CREATE FUNCTION _spotai.lock_holds(exclusive boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key bigint := hashtextextended('spotai legal holds ' || spotai.current_tenant(), 0);
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'active_sql_transaction',
            MESSAGE = format('personal data is not removed in a transaction that is %s', current_setting('transaction_isolation')),
            DETAIL = 'It would not see what others have committed since it began.',
            HINT = 'Use READ COMMITTED.';
    END IF;
    IF exclusive THEN
        PERFORM pg_advisory_xact_lock(key);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(key);
    END IF;
END
$$;
COMMENT ON FUNCTION _spotai.lock_holds(boolean) IS
'to the end of the transaction: nobody of the tenant places a hold (false), or removes anything (true). Raises 25001 in a transaction that sees only the past';

CREATE FUNCTION _spotai.lock_subject(subject uuid) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_advisory_xact_lock(hashtextextended('spotai subject ' || spotai.current_tenant() || ' ' || subject, 0))
$$;
COMMENT ON FUNCTION _spotai.lock_subject(uuid) IS
'to the end of the transaction: one at a time for a person';

-- ---- consent

CREATE FUNCTION _spotai.consent(of_tenant uuid, subject uuid, of_purpose text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT c.event = 'given' FROM spotai.consent_event c
                     WHERE c.tenant_id = of_tenant AND c.subject_id = subject AND c.purpose = of_purpose
                     ORDER BY c.occurred_at DESC LIMIT 1), false)
$$;
COMMENT ON FUNCTION _spotai.consent(uuid, uuid, text) IS
'whether the newest event of a person and a purpose is that consent was given';

CREATE FUNCTION _spotai.consent_add(subject uuid, of_purpose text, what text, version text, proof jsonb) RETURNS uuid
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made uuid := gen_random_uuid();
    last_at timestamptz := (SELECT max(c.occurred_at) FROM spotai.consent_event c
                            WHERE c.tenant_id = spotai.current_tenant() AND c.subject_id = subject AND c.purpose = of_purpose);
BEGIN
    -- a clock that was set back does not change what came last
    INSERT INTO spotai.consent_event (tenant_id, id, subject_id, purpose, event, text_version, evidence, occurred_at, principal_id)
    VALUES (spotai.current_tenant(), made, subject, of_purpose, what, version, proof,
            greatest(clock_timestamp(), last_at + interval '1 microsecond'), spotai.current_principal());
    RETURN made;
END
$$;
COMMENT ON FUNCTION _spotai.consent_add(uuid, text, text, text, jsonb) IS
'adds an event to the consent ledger; the caller has the lock of the person';

CREATE FUNCTION _spotai.consent_give(subject uuid, purpose text, text_version text, evidence jsonb) RETURNS uuid
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made uuid;
BEGIN
    PERFORM _spotai.check_subject(subject);
    PERFORM _spotai.check_text('the purpose', purpose);
    PERFORM _spotai.check_text('the version of the text', text_version);
    PERFORM _spotai.lock_subject(subject);
    made := _spotai.consent_add(subject, purpose, 'given', text_version, evidence);
    PERFORM _spotai.audit_event('consent.give', subject::text,
                         jsonb_build_object('event', made, 'purpose', purpose, 'text_version', text_version));
    RETURN made;
END
$$;
COMMENT ON FUNCTION _spotai.consent_give(uuid, text, text, jsonb) IS
'what spotai.consent_give() does once it is allowed';

CREATE FUNCTION spotai.consent_give(subject uuid, purpose text, text_version text, evidence jsonb DEFAULT NULL) RETURNS uuid
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_privacy';
COMMENT ON FUNCTION spotai.consent_give(uuid, text, text, jsonb) IS
'records in the ledger that a person has agreed to a purpose, in the words of a version of the text, and answers the event''s id. evidence is how it is known; an erasure removes it. For oneself, but not by a key with scopes, or with privacy:write. 22004 for nulls, 22023 for texts that have not 1 to 255 bytes, 42501 without the permission';

CREATE FUNCTION _spotai.consent_withdraw(subject uuid, purpose text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made uuid;
BEGIN
    PERFORM _spotai.check_subject(subject);
    PERFORM _spotai.check_text('the purpose', purpose);
    PERFORM _spotai.lock_subject(subject);
    IF NOT _spotai.consent(spotai.current_tenant(), subject, purpose) THEN
        RETURN false;
    END IF;
    made := _spotai.consent_add(subject, purpose, 'withdrawn', NULL, NULL);
    PERFORM _spotai.audit_event('consent.withdraw', subject::text, jsonb_build_object('event', made, 'purpose', purpose));
    RETURN true;
END
$$;
COMMENT ON FUNCTION _spotai.consent_withdraw(uuid, text) IS
'what spotai.consent_withdraw() does once it is allowed';

CREATE FUNCTION spotai.consent_withdraw(subject uuid, purpose text) RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_privacy';
COMMENT ON FUNCTION spotai.consent_withdraw(uuid, text) IS
'records in the ledger that a person does not agree any more; false when there was no consent. For oneself, or with privacy:write. Raises as spotai.consent_give()';

CREATE FUNCTION _spotai.has_consent(subject uuid, purpose text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN _spotai.consent(spotai.current_tenant(), subject, purpose);
END
$$;
COMMENT ON FUNCTION _spotai.has_consent(uuid, text) IS
'what spotai.has_consent() does once it is allowed';

CREATE FUNCTION spotai.has_consent(subject uuid, purpose text) RETURNS boolean
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_privacy';
COMMENT ON FUNCTION spotai.has_consent(uuid, text) IS
'whether a person agrees to a purpose now, in the session''s tenant; false for nulls, for unknown persons and for sessions of no tenant';

CREATE FUNCTION _spotai.require_consent(subject uuid, purpose text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('spotai.require_consent')::boolean AND NOT spotai.has_consent(subject, purpose) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = 'the person has not agreed to this purpose',
            HINT = 'Record the consent with spotai.consent_give(), or turn spotai.require_consent off.';
    END IF;
END
$$;
COMMENT ON FUNCTION _spotai.require_consent(uuid, text) IS
'for entry points that process a person''s data: raises 42501 when spotai.require_consent is on and the person has not agreed to the purpose';

-- ---- legal holds

CREATE FUNCTION _spotai.held(of_tenant uuid) RETURNS uuid[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT h.subject_id), '{}') FROM spotai.legal_hold h
    WHERE h.tenant_id = of_tenant AND h.released_at IS NULL
$$;
COMMENT ON FUNCTION _spotai.held(uuid) IS
'persons of a tenant whose data is under a legal hold';

CREATE FUNCTION _spotai.hold_place(subject uuid, reason text) RETURNS uuid
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made uuid := gen_random_uuid();
BEGIN
    PERFORM _spotai.check_subject(subject);
    IF reason IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'the reason must not be null';
    ELSIF reason = '' OR octet_length(reason) > 8192 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'the reason must have 1 to 8192 bytes';
    END IF;
    -- what is being removed is removed before; what comes after sees the hold
    PERFORM _spotai.lock_holds(true);
    INSERT INTO spotai.legal_hold (tenant_id, id, subject_id, reason, placed_by_principal_id)
    VALUES (spotai.current_tenant(), made, subject, hold_place.reason, spotai.current_principal());
    PERFORM _spotai.audit_event('privacy.hold', subject::text, jsonb_build_object('hold', made));
    RETURN made;
END
$$;
COMMENT ON FUNCTION _spotai.hold_place(uuid, text) IS
'what spotai.hold_place() does once it is allowed';

CREATE FUNCTION spotai.hold_place(subject uuid, reason text) RETURNS uuid
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_privacy';
COMMENT ON FUNCTION spotai.hold_place(uuid, text) IS
'places a legal hold on a person''s data and answers its id: until it is released, erasure is refused, and retention and purging pass the person''s rows over. Waits for removals that are under way. Needs privacy:hold. 22004 for nulls, 22023 for a reason that has not 1 to 8192 bytes, 25001 in REPEATABLE READ and SERIALIZABLE';

CREATE FUNCTION _spotai.hold_release(hold uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held_one uuid;
BEGIN
    UPDATE spotai.legal_hold h SET released_at = clock_timestamp(), released_by_principal_id = spotai.current_principal()
    WHERE h.tenant_id = spotai.current_tenant() AND h.id = hold AND h.released_at IS NULL
    RETURNING h.subject_id INTO held_one;
    IF held_one IS NULL THEN
        RETURN false;
    END IF;
    PERFORM _spotai.audit_event('privacy.release', held_one::text, jsonb_build_object('hold', hold));
    RETURN true;
END
$$;
COMMENT ON FUNCTION _spotai.hold_release(uuid) IS
'what spotai.hold_release() does once it is allowed';

CREATE FUNCTION spotai.hold_release(hold uuid) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_privacy';
COMMENT ON FUNCTION spotai.hold_release(uuid) IS
'ends a legal hold; its row stays. False when there is none of that id in force. Needs privacy:hold';

-- ---- export

CREATE FUNCTION _spotai.export_rows(of_tenant uuid, subject uuid, relation text, subject_column text, tenant_column text, columns text[])
RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen text := coalesce((SELECT string_agg(format('t.%I', c), ', ') FROM unnest(columns) c), 't.*');
BEGIN
    RETURN _spotai.as_table_owner(
        _spotai.existing(relation),
        format('SELECT coalesce(jsonb_agg(x.r ORDER BY x.r::text COLLATE "C"), ''[]'') '
               'FROM (SELECT to_jsonb(y) AS r FROM (SELECT %s FROM %s t WHERE %s) y) x',
               chosen, relation, _spotai.mine(tenant_column, subject_column)), of_tenant, subject);
END
$$;
COMMENT ON FUNCTION _spotai.export_rows(uuid, uuid, text, text, text, text[]) IS
'a person''s rows of a table as a JSON array, in an order that depends on nothing but them';

CREATE FUNCTION _spotai.existing(relation text) RETURNS regclass
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF to_regclass(relation) IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s is registered as holding personal data, and does not exist', relation),
            HINT = 'Register it under its new name, or SELECT spotai.unregister_personal_data(...).';
    END IF;
    RETURN to_regclass(relation);
END
$$;
COMMENT ON FUNCTION _spotai.existing(text) IS
'the table of that name; raises 55000 when there is none';

CREATE FUNCTION _spotai.export_audit(of_tenant uuid, subject uuid) RETURNS jsonb
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_agg(x.r ORDER BY x.r::text COLLATE "C"), '[]')
    FROM (SELECT jsonb_build_object('id', e.id, 'occurred_at', e.occurred_at, 'principal_id', e.principal_id, 'action', e.action,
                                    'object', e.object, 'detail', _spotai.audit_detail(e.id)) AS r
          FROM spotai.audit_entry e WHERE e.tenant_id = of_tenant AND e.subject_id = subject) x
$$;
COMMENT ON FUNCTION _spotai.export_audit(uuid, uuid) IS
'entries of the audit log about a person, their details decrypted';

-- The settings make the text of every value, and so its hash, the same in all sessions.
CREATE FUNCTION _spotai.subject_export(subject uuid) RETURNS jsonb
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET intervalstyle = 'iso_8601' SET bytea_output = 'hex' SET extra_float_digits = 1
AS $$
DECLARE
    of_tenant uuid := spotai.current_tenant();
    t record;
    found_rows jsonb;
    digest text;
    tables jsonb := '{}';
    counts jsonb := '{}';
    lines text := format(E'spotai subject export 1\n%s\n%s\n', of_tenant, subject);
BEGIN
    PERFORM _spotai.check_subject(subject);
    FOR t IN
        SELECT p.*, format('%s.%I', p.relation, p.subject_column) AS name FROM _spotai.personal_table(subject) p
        WHERE (p.exported IS NOT NULL OR p.rank < 0) AND coalesce(p.fixed_tenant, of_tenant) = of_tenant
        ORDER BY p.relation COLLATE "C", p.subject_column COLLATE "C"
    LOOP
        IF t.name = 'spotai.audit_entry.subject_id' THEN
            found_rows := _spotai.export_audit(of_tenant, subject);
        ELSE
            found_rows := _spotai.export_rows(of_tenant, subject, t.relation, t.subject_column, t.tenant_column, t.exported);
        END IF;
        digest := encode(sha256(convert_to(found_rows::text, 'UTF8')), 'hex');
        tables := tables || jsonb_build_object(t.name, found_rows);
        counts := counts || jsonb_build_object(t.name, jsonb_build_object('rows', jsonb_array_length(found_rows), 'sha256', digest));
        lines := lines || format(E'%s %s %s\n', digest, jsonb_array_length(found_rows), t.name);
    END LOOP;
    digest := encode(sha256(convert_to(lines, 'UTF8')), 'hex');
    PERFORM _spotai.audit_event('privacy.export', subject::text, jsonb_build_object('sha256', digest));
    RETURN jsonb_build_object(
        'subject', subject, 'tenant', of_tenant, 'exported_at', clock_timestamp(), 'tables', tables,
        'manifest', jsonb_build_object('format', 'spotai subject export 1', 'tables', counts, 'lines', lines, 'sha256', digest));
END
$$;
COMMENT ON FUNCTION _spotai.subject_export(uuid) IS
'what spotai.subject_export() does once it is allowed';

CREATE FUNCTION spotai.subject_export(subject uuid) RETURNS jsonb
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_privacy';
COMMENT ON FUNCTION spotai.subject_export(uuid) IS
'all that the tenant has about a person: rows of every table that is registered as personal, details of the audit log decrypted, never a hash or a sealed value; with a manifest of counts and SHA-256, the same as long as the rows are. Writes to the audit log, so the next export has one entry more where a person exports their own. For oneself, but not by a key with scopes, or with privacy:read: 42501. Empty for persons that are unknown in the tenant. 22004 for null, 55000 without the key-encryption key, or when a registered table is gone';

-- ---- erasure

CREATE FUNCTION _spotai.erase_rows(of_tenant uuid, subject uuid, relation text, subject_column text, tenant_column text, blank jsonb)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    mine text := _spotai.mine(tenant_column, subject_column);
    change text := (SELECT string_agg(format('%I = %s', b.key, b.value), ', ') FROM jsonb_each_text(blank) b);
    -- so that doing it again changes nothing
    differs text := (SELECT string_agg(format('%I IS DISTINCT FROM %s', b.key, b.value), ' OR ') FROM jsonb_each_text(blank) b);
    work text;
BEGIN
    IF blank IS NULL THEN
        work := format('DELETE FROM %s WHERE %s', relation, mine);
    ELSE
        work := format('UPDATE %s SET %s WHERE %s AND (%s)', relation, change, mine, differs);
    END IF;
    RETURN _spotai.as_table_owner(_spotai.existing(relation), format('WITH w AS (%s RETURNING 1) SELECT to_jsonb(count(*)) FROM w', work),
                                  of_tenant, subject)::bigint;
END
$$;
COMMENT ON FUNCTION _spotai.erase_rows(uuid, uuid, text, text, text, jsonb) IS
'deletes a person''s rows of a table, or puts the given values into their columns; how many rows that changed';

CREATE FUNCTION _spotai.check_no_hold(of_tenant uuid, subject uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    hold uuid := (SELECT h.id FROM spotai.legal_hold h
                  WHERE h.tenant_id = of_tenant AND h.subject_id = subject AND h.released_at IS NULL ORDER BY h.placed_at LIMIT 1);
BEGIN
    IF hold IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'the person''s data is under a legal hold',
            HINT = format('SELECT spotai.hold_release(''%s'') once the reason is gone.', hold);
    END IF;
END
$$;
COMMENT ON FUNCTION _spotai.check_no_hold(uuid, uuid) IS
'raises 55000 when a person''s data is under a legal hold';

CREATE FUNCTION _spotai.subject_erase(subject uuid) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of_tenant uuid := spotai.current_tenant();
    withdrawn bigint := 0;
    keys integer;
    changed bigint;
    total bigint := 0;
    tables jsonb := '{}';
    result jsonb;
    t record;
BEGIN
    PERFORM _spotai.check_subject(subject);
    PERFORM _spotai.lock_holds(false);
    PERFORM _spotai.lock_subject(subject);
    PERFORM _spotai.check_no_hold(of_tenant, subject);
    -- nothing that refers to the person is added from here on
    PERFORM FROM spotai.principal p WHERE p.tenant_id = of_tenant AND p.id = subject_erase.subject FOR UPDATE;
    FOR t IN
        SELECT DISTINCT c.purpose FROM spotai.consent_event c
        WHERE c.tenant_id = of_tenant AND c.subject_id = subject ORDER BY c.purpose
    LOOP
        IF _spotai.consent(of_tenant, subject, t.purpose) THEN
            PERFORM _spotai.consent_add(subject, t.purpose, 'withdrawn', NULL, NULL);
            withdrawn := withdrawn + 1;
        END IF;
    END LOOP;
    FOR t IN
        SELECT p.* FROM _spotai.personal_table(subject) p
        WHERE p.erase IN ('delete', 'anonymise') AND coalesce(p.fixed_tenant, of_tenant) = of_tenant ORDER BY p.rank
    LOOP
        changed := _spotai.erase_rows(of_tenant, subject, t.relation, t.subject_column, t.tenant_column, t.anonymise);
        tables := tables || jsonb_build_object(format('%s.%I', t.relation, t.subject_column), changed);
        total := total + changed;
    END LOOP;
    -- last: what the steps above wrote to the log about the person goes, too
    keys := _spotai.audit_forget(subject);
    result := jsonb_build_object('rows', total, 'tables', tables, 'consents_withdrawn', withdrawn, 'audit_keys', keys);
    PERFORM _spotai.audit_event('privacy.erase', subject::text, result);
    RETURN jsonb_build_object('subject', subject) || result;
END
$$;
COMMENT ON FUNCTION _spotai.subject_erase(uuid) IS
'what spotai.subject_erase() does once it is allowed';

CREATE FUNCTION spotai.subject_erase(subject uuid) RETURNS jsonb
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_privacy';
COMMENT ON FUNCTION spotai.subject_erase(uuid) IS
'removes or anonymises all rows about a person in every table that is registered as personal, withdraws their consents, and destroys the key of what the audit log has about them, of which every proof still holds; answers what was done. Again: nothing is left to do, and nothing happens. The id stays where it is needed, and names nobody. Afterwards run what spotai.erase_cleanup() answers: until then the bytes are in the files. Needs privacy:write. 55000 under a legal hold, or when a registered table is gone; 25001 in REPEATABLE READ and SERIALIZABLE; 22004 for null';

CREATE FUNCTION spotai.erase_cleanup() RETURNS SETOF text
LANGUAGE sql STABLE ROWS 20 SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('VACUUM (FULL, ANALYZE) %s;', named)
    FROM (SELECT DISTINCT 0 AS last, p.relation AS named FROM _spotai.personal_table(NULL) p
          WHERE p.erase IN ('delete', 'anonymise', 'key') AND p.relation <> 'spotai.audit_entry'
          UNION ALL
          -- the values that ANALYZE remembered before
          VALUES (1, 'pg_catalog.pg_statistic'), (1, 'pg_catalog.pg_statistic_ext_data')) x
    ORDER BY last, named COLLATE "C"
$$;
COMMENT ON FUNCTION spotai.erase_cleanup() IS
'the statements after which nothing of what spotai.subject_erase() removed is left in the database''s files: the tables are written anew, without it, and their statistics. Each locks its table while it runs. In psql: SELECT spotai.erase_cleanup() \gexec; as the owner of the database';
