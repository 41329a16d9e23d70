-- docs/api_reference.md from the catalog.  Needs temporary table room
-- (place, name, about, routine): which routine is declared in which module.
\echo '# API reference'
\echo
\echo 'Everything is in the schema `spotai`. Functions that look at the library see the rows of `spotai.current_tenant()`.'
\echo 'Arguments can be named: `SELECT spotai.separate(track_id => :track, stems => 2)`.'
\echo
\echo '<!-- generated from the catalog by make docs; change the COMMENT in migrations/code instead -->'

-- One line where it is short, an argument or a column a line where it is not.
CREATE FUNCTION pg_temp.call(kind "char", name text, arguments text, result text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN kind = 'p' THEN 'CALL ' ELSE '' END
        || format('spotai.%s(%s)', name, CASE WHEN length(arguments) > 80
               THEN E'\n    ' || regexp_replace(arguments, ', (?=\w+ )', E',\n    ', 'g') || E'\n' ELSE arguments END)
        || CASE WHEN kind = 'p' THEN '' ELSE E'\n    RETURNS ' || CASE WHEN length(result) > 80
               THEN regexp_replace(result, ', (?=\w+ )', E',\n        ', 'g') ELSE result END END
$$;

CREATE TEMP VIEW routine AS
SELECT p.oid, p.proname::text AS name, r.place, r.name AS room, r.about, p.prokind, p.provolatile, p.proisstrict,
       coalesce(obj_description(p.oid, 'pg_proc'), '') AS comment,
       pg_get_function_arguments(p.oid) AS arguments,
       pg_get_function_result(p.oid) AS result
FROM pg_proc p
JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'spotai'
LEFT JOIN room r ON r.routine = p.proname
WHERE p.pronamespace = 'spotai'::regnamespace
  -- how a type is read and written is the server's affair
  AND NOT EXISTS (SELECT FROM pg_type t
                  WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout))
  AND NOT EXISTS (SELECT FROM pg_amproc a WHERE a.amproc = p.oid);

SELECT line FROM (
    SELECT place, 0 AS part, NULL AS name, NULL::oid AS oid, l.n, l.line
    FROM (SELECT DISTINCT place, room, about FROM routine) r,
         unnest(ARRAY['', format('## %s', room), '', about || '.', '', '| | |', '|---|---|']) WITH ORDINALITY l(line, n)
    UNION ALL
    SELECT DISTINCT ON (place, name) place, 1, name, oid, 1::bigint,
           format('| [`%s`](#spotai%s) | %s |', name, name, replace(split_part(comment, ';', 1), '|', '\|'))
    FROM routine
    UNION ALL
    SELECT place, 2, name, oid, l.n, l.line
    FROM routine, unnest(ARRAY['', format('### spotai.%s', name), '', '```sql', pg_temp.call(prokind, name, arguments, result),
                               '```', '', upper(left(comment, 1)) || substr(comment, 2) || '.']) WITH ORDINALITY l(line, n)
) lines ORDER BY place, part, name COLLATE "C", oid, n;
