#!/bin/bash
# A rule that cannot fail is worse than none: breaks a copy of the tree once
# for each rule, and expects that rule to notice.
. "$(dirname "$0")/lib.sh"
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
unnoticed=0

# expect RULE PHRASE COMMAND: after COMMAND, RULE fails and says PHRASE.
expect() {
    local rule=$1 phrase=$2 output status=0
    rm -rf "${copy:?}"/*
    tracked_files '*' | grep -vE '\.(flac|wav|png|mp3|ogg|opus)$' | tar -cf - -T - | tar -xf - -C "$copy"
    cp -f migrations/spotai--*.sql "$copy/migrations/" 2> /dev/null || true
    [ ! -f spotai.so ] || cp spotai.so "$copy/"
    (cd "$copy" && eval "$3")
    output=$("$copy/tests/lint/$rule.sh" 2>&1) || status=$?
    if [[ $output == SKIP* ]]; then
        echo "skip $rule"
    elif [ $status != 0 ] && grep -q -- "$phrase" <<< "$output"; then
        echo "ok $rule notices: $phrase"
    else
        unnoticed=1
        echo "not ok $rule did not notice: $phrase"
    fi
}

expect errcode 'ereport(ERROR) without errcode' \
    "echo 'void f(void) { ereport(ERROR, (errmsg(\"an errcode(1) in words\"))); }' >> src/pg/module.c"
expect exports 'named, but not exported: spotai_nothing' \
    "echo \"AS 'MODULE_PATHNAME', 'spotai_nothing';\" >> migrations/spotai--*.*.*.sql"
expect exports 'exported, but named nowhere: spotai_version' \
    "sed -i \"s/'spotai_version'/'spotai_other'/\" migrations/spotai--*.*.*.sql"
expect exports 'used, but not defined: sp_missing' \
    "echo 'void sp_missing(void); void _PG_init(void) { sp_missing(); }' | gcc -shared -fPIC -x c -o spotai.so -"
expect collisions "json_object means the server's function" \
    "echo 'void *json_object(void); void _PG_init(void) { json_object(); }' | gcc -shared -fPIC -x c -o spotai.so - -ljansson"
expect core_purity 'PostgreSQL in the core' "sed -i '1i #include \"postgres.h\"' src/core/sp_base.h"
expect core_purity 'returns a status, nothing else' "echo 'static void f(void) { exit(1); }' >> src/core/sp_base.c"
expect core_purity 'implicit' "echo 'static void f(void) { undeclared_thing(); }' >> src/core/sp_base.c"
expect version_checks 'PG_VERSION_NUM' "printf '#if PG_VERSION_NUM > 1\n#endif\n' >> src/pg/seam.c"
expect orphans 'no sql/nothing.sql' "mkdir -p expected && touch expected/nothing.out"
expect orphans 'no expected/nothing.out' "touch sql/nothing.sql"
expect orphans 'no tests/isolation/specs/nothing.spec' \
    "mkdir -p tests/isolation/expected && touch tests/isolation/expected/nothing.out"
expect format 'not formatted' "echo 'int  x ;' >> src/pg/seam.c"
expect paths 'docs/x.md:1' "mkdir -p docs && echo 'see /home/ann/notes' > docs/x.md"
expect size '121 lines in long_one' \
    "{ echo 'void'; echo 'long_one(void)'; echo '{'; seq 121 | sed 's/.*/;/'; echo '}'; } >> src/pg/seam.c"
expect size '800 is the ceiling' "seq 800 | sed 's/.*//' >> src/pg/seam.c"
expect markers 'src/pg/seam.c' "echo '/* TO""DO: more */' >> src/pg/seam.c"
expect whitespace 'trailing blanks' "echo 'int x; ' >> src/pg/seam.c"
expect whitespace 'no newline at the end' "printf 'int x;' >> src/pg/seam.c"
expect headers 'does not begin with the path' "sed -i '2d' src/pg/seam.c"
expect headers 'no SPDX line' "sed -i '/SPDX/d' src/pg/seam.c"
expect shell 'not executable' "chmod -x scripts/test.sh"
expect frozen 'not in' "mkdir -p migrations/frozen && touch migrations/frozen/x.sql"
expect frozen 'FAILED' \
    "mkdir -p migrations/frozen; echo a > migrations/frozen/x.sql; sha256sum migrations/frozen/x.sql > migrations/frozen/SHA256SUMS; echo b > migrations/frozen/x.sql"
expect asvs 'no row V9.1.1' "sed -i '/^| V9.1.1 /d' docs/security_asvs.md"
expect asvs 'row V9.1.1 is too much' "sed -i '/^| V9.1.1 /p' docs/security_asvs.md"
expect asvs 'sql/secrets.sql does not exist' "rm sql/secrets.sql"
expect asvs 'V9.1.1: names no test' "sed -i '/^| V9.1.1 /s|\`tests|\`lost|g' docs/security_asvs.md"
expect asvs 'leads nowhere' "sed -i 's/^## Keys/## Locks/' docs/security.md"
append() { printf '%s\n' "cat >> migrations/code/10_base.sql <<'SQL'" "$1" SQL; }
body() { append "CREATE FUNCTION spotai.f() RETURNS void LANGUAGE $1 AS \$\$ $2 \$\$;"; }
safe='SET search_path = pg_catalog, pg_temp'
expect spot 'spotai.f(): PS001' "$(body sql 'SELECT 1 + 1')"
expect spot 'PS002' "$(append "CREATE OR REPLACE FUNCTION spotai.f() RETURNS void LANGUAGE sql $safe AS 'SELECT 1';")"
expect spot 'spotai.f(): PS003' "$(body 'sql SECURITY DEFINER' 'SELECT 1')"
expect spot 'spotai.f(): PS004' "$(body 'sql SET search_path = public, pg_catalog' 'SELECT 1')"
expect spot 'spotai.f(): PS005' "$(body sql 'SELECT 1')"
expect spot 'PS005 the exception for spotai.current_principal() is not needed' \
    "sed -i '/^CREATE FUNCTION spotai.current_principal/,/;/d; /^COMMENT ON FUNCTION spotai.current_principal/,/;/d' migrations/code/15_identity.sql"
expect spot 'PS007' "$(append 'CREATE OR REPLACE TRIGGER t BEFORE INSERT ON spotai.tenant EXECUTE FUNCTION spotai.f();')"
expect spot 'spotai.f(): PS009' "$(body sql 'SELECT CASE 1 WHEN 2 THEN 3 END')"
expect spot 'PS010' "$(append 'CREATE SCHEMA IF NOT EXISTS x;')"
expect spot 'PS011' "$(append 'CREATE SEQUENCE IF NOT EXISTS spotai.x;')"
expect spot 'migration_0001(): PS012' "echo 'CREATE TABLE IF NOT EXISTS spotai.x ();' >> migrations/schema/0001_base.sql"
expect spot 'migration_0001(): PS014' "echo 'CREATE INDEX IF NOT EXISTS x ON spotai.track (title);' >> migrations/schema/0001_base.sql"
expect spot 'migration_0001(): PS015' "echo 'CREATE OR REPLACE VIEW spotai.x AS SELECT 1;' >> migrations/schema/0001_base.sql"
expect spot 'spotai.f(): PS016' "$(body sql 'SELECT now()')"
expect spot 'spotai.f(): PS017 relation tenant' "$(body "plpgsql $safe" 'BEGIN DELETE FROM tenant; END')"
expect spot 'spotai.f(): PS018' "$(body "plpgsql $safe" "BEGIN EXECUTE 'DROP TABLE ' || current_user; END")"
expect spot 'spotai.f(): PS007' "$(body "plpgsql $safe" "BEGIN EXECUTE format('CREATE OR REPLACE VIEW %I', 'x'); END")"
expect version 'META.json' "sed -i \"s/^default_version.*/default_version = '9.9.8'/\" spotai.control"
expect version 'CHANGELOG.md' "sed -i 's/^## 0.*/## 9.9.9/' CHANGELOG.md"
exit $unnoticed
