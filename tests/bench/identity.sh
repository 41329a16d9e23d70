#!/bin/bash
# Identity: what a policy costs a query, and what a token costs a session.
# Run by scripts/bench.sh; needs an installed extension.
. "$(dirname "$0")/../../scripts/lib.sh"

ROWS=1000000
ROUNDS=${ROUNDS:-15}
say() { printf '# %s\n' "$1" >&2; }

prepare() {
    mkdir -p build/logs
    use_server
    cluster_create_scratch bench-identity "shared_buffers = 512MB" "spotai.workers = 0" "jit = off" \
        "max_parallel_workers_per_gather = 0" "spotai.audit_seal_interval = 0" \
        "spotai.key_command = 'echo 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'"
    cluster_start bench-identity
    sql bench-identity -c 'CREATE DATABASE bench' postgres
    sql bench-identity bench << END
CREATE EXTENSION spotai;
CALL spotai.migrate();
CREATE ROLE app LOGIN;
GRANT spotai_user TO app;
CREATE TABLE spotai.play (tenant_id uuid NOT NULL, id uuid NOT NULL DEFAULT gen_random_uuid(), seconds integer NOT NULL, PRIMARY KEY (tenant_id, id));
CALL _spotai.secure_tables();
GRANT SELECT ON spotai.play TO app;
SELECT * FROM spotai.create_tenant('one') \gset
INSERT INTO spotai.play (tenant_id, seconds) SELECT :'tenant', n % 400 FROM generate_series(1, $ROWS) n;
VACUUM (FREEZE, ANALYZE) spotai.play;
CREATE TABLE public.given AS SELECT :'tenant'::uuid AS tenant, spotai.issue_token(:'administrator', '1 day') AS token,
    spotai.create_api_key('bench', '{}', '1 day', :'administrator') AS key;
GRANT SELECT ON public.given TO PUBLIC;
END
}

given() { sql bench-identity -At -c "SELECT $1 FROM given" bench; }

# Milliseconds of the query that psql is given, as often as ROUNDS says; the two
# ways take turns, so that both meet the same noise.
scans() {
    local query=$1 where=$2 i
    {
        echo "SET ROLE app; SELECT set_config('spotai.token', '$(given token)', false) AS set \gset"
        printf '%s\n' '\timing on'
        for ((i = 0; i < ROUNDS + 2; i++)); do
            printf "RESET ROLE;\n\\\\echo plain\n%s WHERE tenant_id = '%s'%s;\n" "$query" "$(given tenant)" "${where:+ AND $where}"
            printf "SET ROLE app;\n\\\\echo policy\n%s%s;\n" "$query" "${where:+ WHERE $where}"
        done
    } | sql bench-identity -At bench |
        awk '/^(plain|policy)$/ { way = $1; seen = 0 } /^Time:/ && way { print way, $2; way = "" }' |
        awk -v skip=2 '{ if (++n[$1] > skip) print }'
}

median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.3f", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

policy_row() {
    local times plain policy
    times=$(scans "$2" "$3")
    plain=$(awk '$1 == "plain" { print $2 }' <<< "$times" | median)
    policy=$(awk '$1 == "policy" { print $2 }' <<< "$times" | median)
    awk -v name="$1" -v a="$plain" -v b="$policy" -v bar="$4" 'BEGIN {
        printf "| %s | %.2f | %.2f | %+.1f %% | %s |\n", name, a, b, (b / a - 1) * 100, bar }'
}

policies() {
    say "policies"
    printf '| 1 M rows of one tenant, one core | WHERE tenant_id = ..., no policy: ms | policy: ms | cost | bar |\n|---|--:|--:|--:|--:|\n'
    policy_row 'scan: sum(seconds)' 'SELECT sum(seconds) FROM spotai.play' '' 'at most 10 %'
    policy_row 'scan: count of the long ones' 'SELECT count(*) FROM spotai.play' 'seconds > 200' 'at most 10 %'
    printf '\n'
}

# tps SCRIPT: transactions a second of one client.
tps() {
    local file
    file=$(private_dir bench-identity)/script.sql
    as_pg tee "$file" > /dev/null <<< "$1"
    as_pg "$PG_BIN/pgbench" -n -M prepared -T "${SECONDS_EACH:-3}" -f "$file" -D token="$(given token)" -D key="$(given key)" \
        -D tenant="$(given tenant)" -D id="$(sql bench-identity -At -c 'SELECT id FROM spotai.play LIMIT 1' bench)" \
        -h "$(cluster_socket_dir bench-identity)" -U "${2:-app}" bench | awk '/^tps/ { printf "%.0f", $3 }'
}

sessions() {
    local empty row
    say "sessions"
    printf '| one session | transactions a second | microseconds more than without |\n|---|--:|--:|\n'
    empty=$(tps 'BEGIN; SELECT 1; COMMIT;')
    printf '| BEGIN; SELECT 1; COMMIT | %s | |\n' "$empty"
    while IFS='|' read -r name script role; do
        row=$(tps "$script" "$role")
        awk -v name="$name" -v a="$empty" -v b="$row" 'BEGIN { printf "| %s | %d | %.0f |\n", name, b, 1e6 / b - 1e6 / a }'
    done << 'END'
a token: set_config(..., true), current_tenant()|BEGIN; SELECT set_config('spotai.token', :token, true); SELECT spotai.current_tenant(); COMMIT;|app
an API key: the same|BEGIN; SELECT set_config('spotai.token', :key, true); SELECT spotai.current_tenant(); COMMIT;|app
no credential, member of no role: current_tenant()|BEGIN; SELECT 1; SELECT spotai.current_tenant(); COMMIT;|app
operator: current_tenant()|BEGIN; SELECT 1; SELECT spotai.current_tenant(); COMMIT;|postgres
END
    printf '\n'
}

# What `openssl speed` verifies a second on one core.
openssl_speed() { openssl speed -seconds 2 "$1" 2> /dev/null | awk -v what="$2" '$0 ~ what { print $NF }' | tail -1; }

b64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# verify_row NAME TOKEN KEY ALGORITHM LINE: processor time, as openssl speed takes it; OpenSSL alone
# before and behind it, the better of which counts.
verify_row() {
    local rate before after count=100000
    before=$(openssl_speed "$4" "$5")
    rate=$(sql bench-identity -At bench << END | awk -v n=$count -v hz="$(getconf CLK_TCK)" 'NR == 1 { a = $1 + $2 } END { print n * hz / ($1 + $2 - a) }'
SELECT pg_backend_pid() AS pid, count(spotai.verify_jwt('$2', '$3')) FROM generate_series(1, 2000) \gset
\setenv SPOTAI_PID :pid
\! cut -d' ' -f14,15 /proc/\$SPOTAI_PID/stat
SELECT count(spotai.verify_jwt('$2', '$3')) AS n FROM generate_series(1, $count) \gset
\! cut -d' ' -f14,15 /proc/\$SPOTAI_PID/stat
END
    )
    after=$(openssl_speed "$4" "$5")
    awk -v name="$1" -v a="$rate" -v b="$before" -v c="$after" 'BEGIN { if (c > b) b = c; printf "| %s | %d | %d | %.0f %% | at least 60 %% |\n", name, a, b, 100 * a / b }'
}

verifying() {
    local dir head body signature n
    say "verifying"
    printf '| processor time of one core | spotai.verify_jwt(): tokens a second | openssl speed: signatures a second | share | bar |\n|---|--:|--:|--:|--:|\n'
    dir=$(mktemp -d)
    openssl genrsa -out "$dir/rsa" 2048 2> /dev/null
    head=$(printf '{"alg":"RS256","typ":"JWT"}' | b64url)
    body=$(printf '{"iss":"https://id.example.org/","sub":"5f0c1c1e-9d53-4a70-8d0e-4a3c1c7d9e11","iat":1700000000,"exp":99999999999}' | b64url)
    signature=$(printf '%s.%s' "$head" "$body" | openssl dgst -sha256 -sign "$dir/rsa" -binary | b64url)
    n=$(openssl rsa -in "$dir/rsa" -noout -modulus 2> /dev/null | sed 's/.*=//' | perl -ne 'chomp; print pack "H*", $_' | b64url)
    rm -r "$dir"
    verify_row 'RS256, RSA of 2048 bits' "$head.$body.$signature" "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"$n\"}" rsa2048 '^rsa 2048'
    verify_row 'EdDSA, Ed25519' "$(given token)" "$(sql bench-identity -At -c "SELECT spotai.login(token) FROM given" -c 'SELECT spotai.jwks()' bench | tail -1)" ed25519 'EdDSA.*Ed25519'
}

prepare
policies
sessions
verifying
cluster_stop bench-identity
