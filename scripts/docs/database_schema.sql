-- docs/database_schema.md from the catalog, after CALL spotai.migrate().
\echo '# Database schema'
\echo
\echo 'The tables that `CALL spotai.migrate()` makes. They are ordinary tables, not members of the extension: `pg_dump` carries'
\echo 'them with their rows, and `DROP EXTENSION` leaves them. Every row belongs to a tenant; row-level security lets a session see'
\echo 'and write only the rows of `spotai.current_tenant()`. The owner of the tables is not bound by it.'
\echo
\echo '<!-- generated from the catalog by make docs; change the COMMENT in migrations/schema instead -->'
\echo
\echo '```mermaid'
\echo 'erDiagram'

CREATE TEMP VIEW tab AS
SELECT c.oid, c.relname::text AS name, obj_description(c.oid, 'pg_class') AS comment, c.relrowsecurity
FROM pg_class c WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition;

CREATE FUNCTION pg_temp.cell(value text) RETURNS text LANGUAGE sql AS
$$ SELECT replace(coalesce(value, ''), '|', '\|') $$;

-- references, without those to tenant that every table has
SELECT DISTINCT format('    %s ||--o{ %s : "%s"', p.name, c.name,
       (SELECT string_agg(a.attname, ', ' ORDER BY k.n) FROM unnest(f.conkey) WITH ORDINALITY k(attnum, n)
        JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum WHERE a.attname <> 'tenant_id'))
FROM pg_constraint f JOIN tab c ON c.oid = f.conrelid JOIN tab p ON p.oid = f.confrelid
WHERE f.contype = 'f' AND p.name <> 'tenant' ORDER BY 1;
SELECT format('    tenant ||--o{ %s : "tenant_id"', t.name)
FROM tab t WHERE EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = t.oid AND f.confrelid = 'spotai.tenant'::regclass)
ORDER BY 1;
SELECT line FROM (
    SELECT t.name, 0 AS n, format('    %s {', t.name) AS line FROM tab t
    UNION ALL
    SELECT t.name, a.attnum, format('        %s %s', regexp_replace(format_type(a.atttypid, a.atttypmod), '\W+', '_', 'g'), a.attname)
           || CASE WHEN p.conkey @> ARRAY[a.attnum] THEN ' PK' ELSE '' END
    FROM tab t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_constraint p ON p.conrelid = t.oid AND p.contype = 'p'
    WHERE p.conkey @> ARRAY[a.attnum] OR EXISTS (SELECT FROM pg_constraint f
        WHERE f.conrelid = t.oid AND f.contype = 'f' AND f.conkey @> ARRAY[a.attnum])
    UNION ALL
    SELECT t.name, 10000, '    }' FROM tab t
) er ORDER BY name COLLATE "C", n;
\echo '```'

SELECT line FROM (
    SELECT name, 0 AS part, l.n, l.line
    FROM tab, unnest(ARRAY['', format('## spotai.%s', name), '', upper(left(comment, 1)) || substr(comment, 2) || '.', '',
                           '| column | type | null | default | what |', '|---|---|---|---|---|']) WITH ORDINALITY l(line, n)
    UNION ALL
    SELECT t.name, 1, a.attnum, format('| `%s` | %s | %s | %s | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attnotnull THEN '' ELSE 'yes' END,
           CASE WHEN d.adbin IS NULL THEN '' ELSE format('`%s`', pg_temp.cell(pg_get_expr(d.adbin, d.adrelid))) END,
           pg_temp.cell(col_description(t.oid, a.attnum)))
    FROM tab t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
    UNION ALL
    SELECT t.name, 2, l.n, l.line
    FROM tab t, unnest(ARRAY['', 'Constraints:', '']) WITH ORDINALITY l(line, n)
    WHERE EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = t.oid AND c.contype IN ('p', 'u', 'f', 'c', 'x'))
    UNION ALL
    SELECT t.name, 3, row_number() OVER (PARTITION BY t.name ORDER BY array_position('{p,u,f,x,c}', c.contype::text), c.conname),
           format('- `%s`: `%s`', c.conname, pg_get_constraintdef(c.oid))
    FROM tab t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype IN ('p', 'u', 'f', 'c', 'x')
    UNION ALL
    SELECT t.name, 4, l.n, l.line
    FROM tab t, unnest(ARRAY['', 'Indexes:', '']) WITH ORDINALITY l(line, n)
    WHERE EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND NOT EXISTS (
        SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.conrelid = t.oid))
    UNION ALL
    SELECT t.name, 5, row_number() OVER (PARTITION BY t.name ORDER BY c.relname),
           format('- `%s`: `%s`', c.relname, regexp_replace(pg_get_indexdef(i.indexrelid), '^CREATE (UNIQUE )?INDEX \S+ ON \S+ USING ', '\1'))
           || coalesce('; ' || obj_description(c.oid, 'pg_class'), '')
    FROM tab t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid
    WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.conrelid = t.oid)
    UNION ALL
    SELECT t.name, 6, l.n, l.line
    FROM tab t, unnest(CASE WHEN t.relrowsecurity THEN ARRAY['', 'Row-level security:', '']
                       ELSE ARRAY['', 'No row-level security.'] END) WITH ORDINALITY l(line, n)
    UNION ALL
    SELECT t.name, 7, row_number() OVER (PARTITION BY t.name ORDER BY p.polname),
           format('- `%s`, %s for %s', p.polname, CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
                  CASE p.polcmd WHEN '*' THEN 'all' WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' ELSE 'delete' END)
           || coalesce(format(': using `%s`', regexp_replace(pg_get_expr(p.polqual, p.polrelid), '\s+', ' ', 'g')), '')
           || coalesce(format(', with check `%s`', regexp_replace(pg_get_expr(p.polwithcheck, p.polrelid), '\s+', ' ', 'g')), '')
    FROM tab t JOIN pg_policy p ON p.polrelid = t.oid
) lines ORDER BY name COLLATE "C", part, n;
