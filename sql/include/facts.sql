\set ECHO none
-- What an installation consists of, one line a fact, so that two of them can be
-- compared: the code layer (members of the extension) and the table layer.
SET check_function_bodies = off;

CREATE FUNCTION pg_temp.code_facts() RETURNS TABLE (fact text) LANGUAGE sql AS $$
    WITH member AS (
        SELECT d.classid, d.objid, (pg_identify_object(d.classid, d.objid, 0)).*
        FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
        WHERE e.extname = 'spotai' AND d.deptype = 'e'
    )
    SELECT format('%s %s: %s', type, identity, obj_description(objid, classid::regclass::name)) FROM member
    UNION ALL
    SELECT format('definition of %s', pg_get_functiondef(objid)) FROM member JOIN pg_proc p ON p.oid = objid
    WHERE classid = 'pg_proc'::regclass AND p.prokind <> 'a'
    UNION ALL
    SELECT format('support, parallel, cost, rows of %s: %s %s %s %s', identity, prosupport, proparallel, procost, prorows)
    FROM member JOIN pg_proc p ON p.oid = objid WHERE classid = 'pg_proc'::regclass
    UNION ALL
    SELECT format('aggregate %s: %s', identity, to_jsonb(a) - 'aggfnoid') FROM member JOIN pg_aggregate a ON a.aggfnoid = objid
    WHERE classid = 'pg_proc'::regclass
    UNION ALL
    SELECT format('privileges on %s %s: %s', type, identity, coalesce(p.proacl::text, 'default'))
    FROM member JOIN pg_proc p ON p.oid = objid WHERE classid = 'pg_proc'::regclass
    UNION ALL
    SELECT format('privileges on %s %s: %s', type, identity, coalesce(n.nspacl::text, 'default'))
    FROM member JOIN pg_namespace n ON n.oid = objid WHERE classid = 'pg_namespace'::regclass
    UNION ALL
    SELECT format('type %s: %s %s %s %s %s %s', identity, t.typtype, t.typlen, t.typalign, t.typstorage, t.typinput, t.typoutput)
    FROM member JOIN pg_type t ON t.oid = objid WHERE classid = 'pg_type'::regclass
    UNION ALL
    SELECT format('label %s of %s: %s', l.enumsortorder, identity, l.enumlabel)
    FROM member JOIN pg_enum l ON l.enumtypid = objid WHERE classid = 'pg_type'::regclass
    UNION ALL
    SELECT format('attribute %s of %s: %s %s', a.attnum, identity, a.attname, format_type(a.atttypid, a.atttypmod))
    FROM member JOIN pg_type t ON t.oid = objid JOIN pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE classid = 'pg_type'::regclass
    UNION ALL
    SELECT format('operator %s: %s', identity, (to_jsonb(o) - '{oid,oprcom,oprnegate,oprowner,oprnamespace,oprleft,oprright,oprresult}'::text[])
                  || jsonb_build_object('oprresult', o.oprresult::regtype, 'oprcom', o.oprcom::regoperator, 'oprnegate', o.oprnegate::regoperator))
    FROM member JOIN pg_operator o ON o.oid = objid WHERE classid = 'pg_operator'::regclass
    UNION ALL
    SELECT format('cast %s: %s %s %s', identity, c.castfunc::regprocedure, c.castcontext, c.castmethod)
    FROM member JOIN pg_cast c ON c.oid = objid WHERE classid = 'pg_cast'::regclass
    UNION ALL
    SELECT format('operator class %s: default %s', identity, c.opcdefault)
    FROM member JOIN pg_opclass c ON c.oid = objid WHERE classid = 'pg_opclass'::regclass
    UNION ALL
    SELECT format('operator of family: %s', pg_describe_object('pg_amop'::regclass, a.oid, 0))
    FROM pg_amop a JOIN member m ON m.classid = 'pg_opfamily'::regclass AND m.objid = a.amopfamily
    UNION ALL
    SELECT format('function of family: %s', pg_describe_object('pg_amproc'::regclass, a.oid, 0))
    FROM pg_amproc a JOIN member m ON m.classid = 'pg_opfamily'::regclass AND m.objid = a.amprocfamily
    UNION ALL
    SELECT format('version %s, relocatable %s, configuration %s %s', extversion, extrelocatable, extconfig, extcondition)
    FROM pg_extension WHERE extname = 'spotai'
$$;

CREATE FUNCTION pg_temp.table_facts() RETURNS TABLE (fact text) LANGUAGE sql AS $$
    SELECT format('relation %s %s %s row security %s %s', c.relname, c.relkind, c.reloptions, c.relrowsecurity, c.relforcerowsecurity)
           || coalesce(': ' || obj_description(c.oid, 'pg_class'), '') || coalesce(' privileges ' || c.relacl::text, '')
    FROM pg_class c WHERE c.relnamespace = 'spotai'::regnamespace
    UNION ALL
    SELECT format('column %s %s. %s %s, not null %s, %s, default %s', a.attrelid::regclass, a.attnum, a.attname,
                  format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage, pg_get_expr(d.adbin, d.adrelid))
           || coalesce(': ' || col_description(a.attrelid, a.attnum), '') || coalesce(' privileges ' || a.attacl::text, '')
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT format('view %s %s', c.relname, pg_get_viewdef(c.oid))
    FROM pg_class c WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind IN ('v', 'm')
    UNION ALL
    SELECT format('constraint %s on %s %s', conname, conrelid::regclass, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = 'spotai'::regnamespace
    UNION ALL
    SELECT 'index ' || pg_get_indexdef(i.indexrelid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'spotai'::regnamespace
    UNION ALL
    SELECT format('trigger %s on %s', pg_get_triggerdef(t.oid), c.relname)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 'spotai'::regnamespace AND NOT t.tgisinternal
    UNION ALL
    SELECT format('policy %s on %s for %s permissive %s to %s using %s check %s', p.polname, p.polrelid::regclass, p.polcmd,
                  p.polpermissive, p.polroles, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
           || coalesce(': ' || obj_description(p.oid, 'pg_policy'), '')
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = 'spotai'::regnamespace
    UNION ALL
    SELECT format('step %s %s', version, name) FROM spotai.schema_migration
$$;
RESET check_function_bodies;
\set ECHO all
