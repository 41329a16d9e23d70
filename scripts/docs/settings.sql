-- The table of docs/configuration.md from pg_settings.
\echo '| setting | default | range | changes take effect | what |'
\echo '|---|---|---|---|---|'
SELECT format('| `%s` | %s | %s | %s | %s |', name,
    CASE WHEN boot_val IS NULL OR boot_val = '' THEN '' WHEN unit = 'B' THEN '`' || replace(pg_size_pretty(boot_val::double precision::bigint), ' ', '') || '`'
         ELSE '`' || boot_val || '`' || coalesce(' ' || unit, '') END,
    CASE WHEN vartype = 'enum' THEN array_to_string(enumvals, ', ')
         WHEN vartype IN ('integer', 'real') THEN format('%s to %s', min_val, max_val)
         WHEN vartype = 'bool' THEN 'on, off' ELSE '' END,
    CASE context WHEN 'user' THEN 'at once; anybody' WHEN 'superuser' THEN 'at once; superuser'
                 WHEN 'sighup' THEN 'at reload' WHEN 'postmaster' THEN 'at restart' ELSE context END,
    replace(short_desc || coalesce(' ' || extra_desc, ''), '|', '\|'))
FROM pg_settings WHERE name LIKE 'spotai.%' ORDER BY name COLLATE "C";
