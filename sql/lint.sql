-- lint: rules about the catalog; tests/lint/README.md has those about files
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set end :root '/sql/include/end.sql'
\i :begin
\pset format unaligned
\pset tuples_only on
LOAD 'spotai';

-- One row a violation.  In a function, so that it can be asked again below.
CREATE FUNCTION pg_temp.violations() RETURNS TABLE (rule text, object text)
LANGUAGE sql AS $$
    -- what \df+ and \d+ show is our manual
    SELECT 'no comment', p.oid::regprocedure::text
    FROM pg_proc p
    WHERE p.pronamespace IN ('spotai'::regnamespace, '_spotai'::regnamespace)
      AND obj_description(p.oid, 'pg_proc') IS NULL
    UNION ALL
    SELECT 'no comment', c.oid::regclass::text
    FROM pg_class c
    WHERE c.relnamespace IN ('spotai'::regnamespace, '_spotai'::regnamespace)
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND obj_description(c.oid, 'pg_class') IS NULL
    UNION ALL
    SELECT 'no comment', format('%s.%s', c.oid::regclass, a.attname)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace IN ('spotai'::regnamespace, '_spotai'::regnamespace)
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND col_description(c.oid, a.attnum) IS NULL
    UNION ALL
    SELECT 'no comment', pg_describe_object(d.classid, d.objid, d.objsubid)
    FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    WHERE e.extname = 'spotai' AND d.deptype = 'e'
      AND obj_description(d.objid, d.classid::regclass::name) IS NULL
      -- PostgreSQL 16 and later also count the types that come with a table or a type
      AND NOT EXISTS (SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
                      WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid
                        AND (t.typcategory = 'A' OR c.relkind IN ('r', 'p', 'v', 'm', 'f')))
    UNION ALL
    -- a function whose names are looked up in the caller's search_path runs the caller's code
    SELECT 'no search_path', p.oid::regprocedure::text
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.pronamespace IN ('spotai'::regnamespace, '_spotai'::regnamespace)
      AND (p.prosecdef OR l.lanname NOT IN ('c', 'internal'))
      AND NOT coalesce(p.proconfig, '{}') && ARRAY['search_path=pg_catalog, pg_temp', 'search_path=""']
    UNION ALL
    -- no surprises for PUBLIC: an administrator grants
    SELECT 'granted to PUBLIC', p.oid::regprocedure::text
    FROM pg_proc p
    WHERE p.pronamespace IN ('spotai'::regnamespace, '_spotai'::regnamespace)
      AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x WHERE x.grantee = 0)
    UNION ALL
    SELECT 'granted to PUBLIC', c.oid::regclass::text
    FROM pg_class c
    WHERE c.relnamespace IN ('spotai'::regnamespace, '_spotai'::regnamespace)
      AND EXISTS (SELECT FROM aclexplode(c.relacl) x WHERE x.grantee = 0)
    UNION ALL
    SELECT 'granted to PUBLIC', n.nspname
    FROM pg_namespace n
    WHERE n.nspname IN ('spotai', '_spotai')
      AND EXISTS (SELECT FROM aclexplode(n.nspacl) x WHERE x.grantee = 0)
    UNION ALL
    -- rows of different tenants never meet, on one node or on many
    SELECT 'row-level security is off', c.oid::regclass::text
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
    WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
    UNION ALL
    SELECT 'no policy tenant_isolation', c.oid::regclass::text
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
    WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant_isolation'
                      AND pg_get_expr(p.polqual, p.polrelid) LIKE '%spotai.current_tenant()%'
                      AND pg_get_expr(p.polwithcheck, p.polrelid) LIKE '%spotai.current_tenant()%')
    UNION ALL
    SELECT 'tenant_id is not first in the primary key', c.oid::regclass::text
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
    WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p' AND k.conkey[1] = a.attnum)
    UNION ALL
    SELECT 'tenant_id is not in a unique index', i.indexrelid::regclass::text
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
    WHERE c.relnamespace = 'spotai'::regnamespace AND i.indisunique AND NOT a.attnum = ANY (i.indkey)
    UNION ALL
    SELECT 'tenant_id is not in a foreign key', format('%s on %s', k.conname, k.conrelid::regclass)
    FROM pg_constraint k
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attname = 'tenant_id'
    WHERE k.connamespace = 'spotai'::regnamespace AND k.contype = 'f' AND NOT k.conkey @> ARRAY[a.attnum]
    UNION ALL
    -- what a distributed engine refuses
    SELECT 'identity or sequence', format('%s.%s', c.oid::regclass, a.attname)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'spotai'::regnamespace
      AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%')
    UNION ALL
    SELECT 'trigger', format('%s on %s', t.tgname, t.tgrelid::regclass)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = 'spotai'::regnamespace AND NOT t.tgisinternal
      -- the audit log is one log, on one node
      AND t.tgfoid <> '_spotai.audit_append_only()'::regprocedure
    UNION ALL
    -- tables are the user's, so they are not members of the extension
    SELECT 'table is a member of the extension', d.objid::regclass::text
    FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    WHERE e.extname = 'spotai' AND d.deptype = 'e' AND d.classid = 'pg_class'::regclass
    UNION ALL
    SELECT 'description of a setting is not a sentence', s.name
    FROM pg_settings s
    WHERE s.name LIKE 'spotai.%' AND (s.short_desc !~ '^["A-Z].*\.$' OR s.extra_desc !~ '^["A-Z].*\.$')
    UNION ALL
    -- whoever calls one has its owner's rights, a superuser's: each is here for a reason
    SELECT 'security definer', p.oid::regprocedure::text
    FROM pg_proc p
    WHERE p.pronamespace IN ('spotai'::regnamespace, '_spotai'::regnamespace) AND p.prosecdef
      AND NOT (p.pronamespace = 'spotai'::regnamespace AND p.proname IN (
          -- hashes of all tenants make a proof, which nobody needs to be able to read for that
          'audit_inclusion_proof', 'audit_consistency_proof', 'audit_checkpoint',
          -- the log is one log; for the roles that may call them
          'audit_seal', 'audit_verify', 'audit_export', 'audit_detail'))
    UNION ALL
    -- helpers are no way in
    SELECT 'helper granted', format('%s to %s', p.oid::regprocedure, x.grantee::regrole)
    FROM pg_proc p, aclexplode(p.proacl) x
    WHERE p.pronamespace = '_spotai'::regnamespace AND x.grantee NOT IN (0, p.proowner)
      AND (p.proname, x.grantee::regrole::text) NOT IN (
          -- spotai.audit_enable() and spotai.audit_disable() make triggers in their caller's name
          ('require_tables', 'spotai_admin'), ('audit_drop_triggers', 'spotai_admin'), ('relation_name', 'spotai_admin'),
          ('audit_rows', 'spotai_admin'), ('audit_event', 'spotai_admin'),
          -- spotai.index_check() asks them in its caller's name
          ('index_problems', 'spotai_admin'), ('index_recall', 'spotai_admin'))
      -- a policy calls it in the name of whoever reads or writes; nobody can by its name, without USAGE of the schema
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_policy'::regclass AND d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid)
    UNION ALL
    -- a view without it shows its owner's rows
    SELECT 'no security_invoker', c.oid::regclass::text
    FROM pg_class c
    WHERE c.relnamespace IN ('spotai'::regnamespace, '_spotai'::regnamespace) AND c.relkind = 'v'
      AND NOT coalesce(c.reloptions, '{}') && ARRAY['security_invoker=true', 'security_invoker=on']
    UNION ALL
    -- a setting is what somebody claims
    SELECT 'policy trusts a setting', format('%s on %s', p.polname, p.polrelid::regclass)
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
    WHERE c.relnamespace = 'spotai'::regnamespace
      AND concat(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) LIKE '%current_setting%'
    UNION ALL
    -- what row-level security does not know of: rows that all go at once, keys that tell what exists, code that others run
    SELECT 'privilege past the policies', format('%s on %s to %s', x.privilege_type, c.oid::regclass, x.grantee::regrole)
    FROM pg_class c, aclexplode(c.relacl) x
    WHERE c.relnamespace = 'spotai'::regnamespace AND x.grantee NOT IN (0, c.relowner)
      AND x.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER')
    UNION ALL
    -- whose rows name tenants in another column: staff and auditors alone
    SELECT 'readable across tenants', format('%s by %s', c.oid::regclass, x.grantee::regrole)
    FROM pg_class c, aclexplode(c.relacl) x
    WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
      AND x.grantee NOT IN (0, c.relowner) AND x.grantee::regrole::text NOT IN ('spotai_admin', 'spotai_auditor')
    UNION ALL
    SELECT 'trusted', v.name
    FROM pg_available_extension_versions v WHERE v.name = 'spotai' AND (v.trusted OR NOT v.superuser)
    ORDER BY 1, 2
$$;

-- nothing is wrong, and there was something to look at
SELECT * FROM pg_temp.violations();
SELECT count(*) > 10 AS some_functions FROM pg_proc WHERE pronamespace = 'spotai'::regnamespace;
SELECT count(*) >= 4 AS some_tables FROM pg_class WHERE relnamespace = 'spotai'::regnamespace AND relkind = 'r';
SELECT count(*) >= 3 AS some_settings FROM pg_settings WHERE name LIKE 'spotai.%';

-- each rule can be broken
BEGIN;
CREATE FUNCTION spotai.careless() RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE TABLE spotai.careless (tenant_id uuid, number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                              track_id uuid UNIQUE, counted serial);
ALTER TABLE spotai.careless ADD FOREIGN KEY (number) REFERENCES spotai.schema_migration;
CREATE TRIGGER careless BEFORE UPDATE ON spotai.careless FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE TYPE spotai.careless_state AS ENUM ('on', 'off');
ALTER EXTENSION spotai ADD TYPE spotai.careless_state;
ALTER EXTENSION spotai ADD TABLE spotai.careless;
GRANT SELECT ON spotai.careless TO PUBLIC;
GRANT USAGE ON SCHEMA spotai TO PUBLIC;
CREATE FUNCTION _spotai.careless() RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT 1';
GRANT EXECUTE ON FUNCTION _spotai.careless() TO spotai_user;
CREATE VIEW spotai.careless_view AS SELECT 1 AS one;
CREATE POLICY careless ON spotai.track USING (tenant_id = current_setting('careless.tenant')::uuid);
GRANT TRUNCATE ON spotai.track TO spotai_user;
GRANT SELECT ON spotai.audit_leaf TO spotai_user;
SELECT * FROM pg_temp.violations();
ROLLBACK;
\i :end
