-- docs/api_reference.md from the catalog.  Needs temporary table room
-- (place, name, about, routine): which routine is declared in which module.
\echo # API reference
\echo
\echo Everything is in the schema `spotai`. Functions that look at the library see the rows of `spotai.current_tenant()`.
\echo Arguments can be named: `SELECT spotai.separate(track_id => :track, stems => 2)`.
\echo
\echo <!-- generated from the catalog by make docs; change the COMMENT in migrations/code instead -->

CREATE TEMP VIEW routine AS
SELECT p.oid, p.proname::text AS name, r.place, r.name AS room, r.about, p.prokind, p.provolatile, p.proisstrict,
       coalesce(obj_description(p.oid, 'pg_proc'), '') AS comment,
       pg_get_function_arguments(p.oid) AS arguments,
       pg_get_function_result(p.oid) AS result
FROM pg_proc p
JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'spotai'
LEFT JOIN room r ON r.routine = p.proname
WHERE p.pronamespace = 'spotai'::regnamespace;

SELECT line FROM (
    SELECT place, 0 AS part, NULL AS name, NULL::oid AS oid, unnest(ARRAY['', format('## %s', room), '', about || '.', '',
           '| | |', '|---|---|']) AS line
    FROM (SELECT DISTINCT place, room, about FROM routine) r
    UNION ALL
    SELECT place, 1, name, oid, format('| [`%s`](#%s) | %s |', name,
           'spotai' || name, replace(split_part(comment, ';', 1), '|', '\|'))
    FROM routine
    UNION ALL
    SELECT place, 2, name, oid, unnest(ARRAY['', format('### spotai.%s', name), '', '```sql',
           CASE WHEN prokind = 'p' THEN format('CALL spotai.%s(%s)', name, arguments)
                ELSE format(E'spotai.%s(%s)\n    RETURNS %s', name,
                            CASE WHEN length(arguments) > 80 THEN E'\n    ' || replace(arguments, ', ', E',\n    ') ELSE arguments END,
                            CASE WHEN length(result) > 80 THEN replace(result, ', ', E',\n        ') ELSE result END)
           END, '```', '', upper(left(comment, 1)) || substr(comment, 2) || '.'])
    FROM routine
) lines ORDER BY place, part, name COLLATE "C", oid;
