#!/bin/sh
# Assemble the install script: the code layer's modules in order, each table
# migration wrapped in a procedure, and the list of migrations.
set -eu
cd "$(dirname "$0")/.."

cat migrations/code/00_*.sql

for file in migrations/schema/*.sql; do
    version=$(basename "$file" | cut -c1-4)
    printf '\nCREATE PROCEDURE _spotai.migration_%s()\n' "$version"
    printf 'LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $spotai_migration$\nBEGIN\n'
    cat "$file"
    printf 'END\n$spotai_migration$;\n'
    printf "COMMENT ON PROCEDURE _spotai.migration_%s() IS 'table layer, step %s: %s';\n" \
        "$version" "$version" "$(sed -n '1s/^-- //p' "$file" | sed "s/'/''/g")"
done

printf '\nCREATE FUNCTION _spotai.known_migration(OUT version integer, OUT name text)\n'
printf 'RETURNS SETOF record LANGUAGE sql IMMUTABLE PARALLEL SAFE\n'
printf 'SET search_path = pg_catalog, pg_temp AS $$\nVALUES\n'
separator='    '
for file in migrations/schema/*.sql; do
    base=$(basename "$file" .sql)
    printf "%s(%d, '%s')" "$separator" "$(echo "$base" | cut -c1-4 | sed 's/^0*//')" "$(echo "$base" | cut -c6-)"
    separator=',
    '
done
printf '\n$$;\n'
printf "COMMENT ON FUNCTION _spotai.known_migration() IS\n'the steps of the table layer that this version of the extension knows';\n"

for file in migrations/code/*.sql; do
    case "$file" in migrations/code/00_*) ;; *) printf '\n'; cat "$file" ;; esac
done
