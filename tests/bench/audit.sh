#!/bin/bash
# The audit log: what it costs those who write, sealing, lag, proofs.
# Run by scripts/bench.sh; needs an installed extension.  Arguments: names of
# single parts (single, bulk, seal, proof).  LEAVES is the size of the log
# that proofs are made of, SECONDS_EACH the length of a run of pgbench.
. "$(dirname "$0")/../../scripts/lib.sh"

LEAVES=${LEAVES:-10000000}
SECONDS_EACH=${SECONDS_EACH:-10}
RUNS=${RUNS:-5}
CLIENTS=4
say() { printf '# %s\n' "$1" >&2; }
query() { sql bench-server -At bench "$@"; }
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# verdict OPERATOR VALUE BAR [UNIT]: a cell that says whether it holds.
verdict() {
    awk -v op="$1" -v x="$2" -v bar="$3" -v unit="${4:+ $4}" 'BEGIN {
        ok = op == "least" ? x + 0 >= bar : x + 0 <= bar
        printf "at %s %g%s: %s", op, bar, unit, ok ? "holds" : "missed" }'
}

# --- a server, two tables that differ in being audited ----------------------

prepare() {
    local dir
    mkdir -p build/logs
    use_server
    # one checkpoint or another in the middle of a measurement would be noise
    cluster_create_scratch bench-server "fsync = on" "full_page_writes = on" "shared_buffers = 256MB" "max_wal_size = 1GB" \
        "checkpoint_timeout = 1h" "spotai.database = 'bench'" "spotai.workers = 1" "spotai.key_command = 'cat kek'"
    dir=$(private_dir bench-server)
    printf '%064x\n' 123456789 | as_pg tee "$dir/data/kek" > /dev/null
    cluster_start bench-server
    sql bench-server -c 'CREATE DATABASE bench' postgres
    query << 'END_OF_SQL' > /dev/null
CREATE EXTENSION spotai;
CALL spotai.migrate();
CREATE TABLE plain (id bigserial PRIMARY KEY, tid integer, bid integer, aid integer, delta integer, mtime timestamptz, filler char(22));
CREATE TABLE audited (id bigserial PRIMARY KEY, tid integer, bid integer, aid integer, delta integer, mtime timestamptz, filler char(22));
SELECT spotai.audit_enable('audited');
-- samples of the age of the oldest entry that is not sealed, until canceled
CREATE UNLOGGED TABLE lag (s double precision);
CREATE PROCEDURE watch_lag() LANGUAGE plpgsql AS $$
BEGIN
    LOOP
        INSERT INTO lag SELECT lag_s FROM spotai.audit_unsealed;
        COMMIT;
        PERFORM pg_sleep(0.05);
    END LOOP;
END
$$;
END_OF_SQL
    for table in plain audited; do
        printf '\\set aid random(1, 100000)\nINSERT INTO %s (tid, bid, aid, delta, mtime) VALUES (1, 2, :aid, 4, current_timestamp);\n' $table |
            as_pg tee "$dir/$table.sql" > /dev/null
    done
    DIR=$dir
}

settle() {
    until [ "$(query -c 'SELECT entries FROM spotai.audit_unsealed')" = 0 ]; do sleep 0.2; done
    query -c 'VACUUM' -c 'CHECKPOINT'
}

# --- single inserts ---------------------------------------------------------

# tps TABLE SYNCHRONOUS_COMMIT: transactions a second, and bytes of WAL for each.
tps() {
    local before after out
    settle
    before=$(query -c 'SELECT pg_current_wal_insert_lsn()')
    out=$(as_pg env PGOPTIONS="-c synchronous_commit=$2" "$PG_BIN/pgbench" -n -M prepared -c $CLIENTS -j 2 -T "$SECONDS_EACH" \
        -f "$DIR/$1.sql" -h "$(cluster_socket_dir bench-server)" -U postgres bench)
    after=$(query -c "SELECT pg_current_wal_insert_lsn() - '$before'")
    awk -v wal="$after" '/actually processed/ { n = $6 } /^tps/ { tps = $3 } END { printf "%.0f %.0f\n", tps, wal / n }' <<< "$out"
}

single_row() {
    local plain='' audited='' wal_plain='' wal_audited='' a b wa wb
    say "single inserts, synchronous_commit = $1"
    for _ in $(seq "$RUNS"); do
        read -r a wa < <(tps plain "$1")
        read -r b wb < <(tps audited "$1")
        plain+="$a"$'\n' audited+="$b"$'\n' wal_plain+="$wa"$'\n' wal_audited+="$wb"$'\n'
    done
    a=$(printf '%s' "$plain" | median) b=$(printf '%s' "$audited" | median)
    wa=$(printf '%s' "$wal_plain" | median) wb=$(printf '%s' "$wal_audited" | median)
    awk -v a="$a" -v b="$b" -v wa="$wa" -v wb="$wb" -v s="$1" -v v="$(verdict most "$(awk -v a="$a" -v b="$b" 'BEGIN { print 100 * (1 - b / a) }')" 35 %)" 'BEGIN {
        printf "| synchronous_commit = %s | %.0f | %.0f | %.0f %% | %s | %d -> %d |\n", s, a, b, 100 * (1 - b / a), v, wa, wb }'
}

single() {
    local lag watcher looks
    printf '| single inserts, %s clients | tps plain | tps audited and sealed | loss | | WAL bytes a row |\n|---|--:|--:|--:|---|--:|\n' $CLIENTS
    query -c 'CALL watch_lag()' 2> /dev/null &
    watcher=$!
    single_row on
    single_row off
    query -c "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'CALL watch_lag()'" > /dev/null
    wait $watcher || true
    IFS='|' read -r looks lag < <(query -c 'SELECT count(*), max(s) FROM lag')
    printf '\n| meanwhile | | |\n|---|--:|---|\n| oldest entry that was not sealed, of %s looks | %.2f s | %s |\n' "$looks" "$lag" "$(verdict most "$lag" 1 s)"
}

# --- one large insert -------------------------------------------------------

seconds_of() { printf "SELECT clock_timestamp() AS start \\\\gset\n%s;\nSELECT extract(epoch FROM clock_timestamp() - :'start');\n" "$1" | query | tail -1; }

bulk() {
    local a='' b='' rows='SELECT 1, 2, n, 4, current_timestamp FROM generate_series(1, 200000) n' start sealed
    say "200,000 rows"
    for _ in $(seq "$RUNS"); do
        settle
        a+=$(seconds_of "INSERT INTO plain (tid, bid, aid, delta, mtime) $rows")$'\n'
        settle
        b+=$(seconds_of "INSERT INTO audited (tid, bid, aid, delta, mtime) $rows")$'\n'
        start=$(date +%s.%N)
        until [ "$(query -c 'SELECT entries FROM spotai.audit_unsealed')" = 0 ]; do sleep 0.05; done
        sealed+=$(date +%s.%N | awk -v s="$start" '{ print $1 - s }')$'\n'
    done
    a=$(printf '%s' "$a" | median) b=$(printf '%s' "$b" | median) sealed=$(printf '%s' "$sealed" | median)
    printf '\n| an INSERT of 200,000 rows | s | |\n|---|--:|---|\n| plain | %.2f | |\n| audited | %.2f | %s |\n' "$a" "$b" "$(verdict most "$b" 5 s)"
    printf '| from its commit until all of it is sealed | %.2f | |\n' "$sealed"
    a=$(query -c 'SELECT count(*) FROM spotai.audit_leaf')
    b=$(seconds_of 'SELECT 1 / ok::integer FROM spotai.audit_verify()')
    printf '| audit_verify(), %d entries | %.1f | |\n' "$a" "$b"
    query -c "SELECT spotai.audit_export(0, $a)" -o "$DIR/export.jsonl"
    start=$(date +%s.%N)
    as_pg "$PG_BIN/spotai-verify" -k "$(query -c 'SELECT verifier FROM spotai.audit_key')" "$DIR/export.jsonl" > /dev/null
    printf '| spotai-verify, the same, exported | %.1f | |\n' "$(date +%s.%N | awk -v s="$start" '{ print $1 - s }')"
    as_pg rm "$DIR/export.jsonl"
}

# --- a large log ------------------------------------------------------------

# Leaves of entries that are not there: neither sealing nor a proof looks at those.
pending() {
    printf "ALTER TABLE spotai.audit_pending DISABLE TRIGGER append_only;
INSERT INTO spotai.audit_pending SELECT '00000000-0000-0000-0000-000000000001',
    (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '7000' || lpad(to_hex(n), 16, '0'))::uuid, now(), sha256(int8send(n)) FROM generate_series(1, %d) n;
ALTER TABLE spotai.audit_pending ENABLE ALWAYS TRIGGER append_only;\n" "$1" | query
}

stop_sealer() {
    sql bench-server -c 'ALTER SYSTEM SET spotai.audit_seal_interval = 0' -c 'SELECT pg_reload_conf()' postgres > /dev/null
    until [ "$(query -c "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'spotai sealer'")" = 0 ]; do sleep 0.2; done
}

seal() {
    local share=1000000 took='' each n
    say "sealing $LEAVES leaves"
    stop_sealer
    if [ "$LEAVES" -lt $share ]; then share=$LEAVES; fi
    for _ in $(seq $((LEAVES / share))); do
        pending "$share"
        took+=$(seconds_of 'SELECT spotai.audit_seal()')$'\n'
        query -c 'VACUUM spotai.audit_pending' -c CHECKPOINT
    done
    each=$(printf '%s' "$took" | median)
    n=$(awk -v n="$share" -v s="$each" 'BEGIN { printf "%.0f", n / s }')
    printf '\n| %s leaves sealed, %s at a time | | |\n|---|--:|---|\n| leaves a second, median | %s | %s |\n' "$LEAVES" "$share" "$n" "$(verdict least "$n" 20000)"
    printf '| the same, the last | %.0f | |\n' "$(printf '%s' "$took" | tail -1 | awk -v n="$share" '{ print n / $1 }')"
    query -F ' | ' -c "SELECT format('| bytes a leaf, with indexes and nodes | %s | |', (pg_total_relation_size('spotai.audit_leaf') + pg_total_relation_size('spotai.audit_node')) / count(*)) FROM spotai.audit_leaf"
}

# In one backend, each call timed by itself.
proof_sql() {
    cat << 'END_OF_SQL'
SELECT max(position) + 1 AS size FROM spotai.audit_leaf \gset
CREATE TEMP TABLE chosen AS SELECT p, l.entry_id FROM (SELECT (random() * (:size - 1))::bigint AS p FROM generate_series(1, 2000)) r JOIN spotai.audit_leaf l ON l.position = r.p;
CREATE TEMP TABLE took (what text, ms double precision);
DO $$
DECLARE
    c record;
    start timestamptz;
    newest bigint := (SELECT max(tree_size) FROM spotai.audit_checkpoint);
BEGIN
    FOR c IN TABLE chosen LOOP
        start := clock_timestamp();
        PERFORM spotai.audit_inclusion_proof(c.entry_id);
        INSERT INTO took VALUES ('inclusion', extract(epoch FROM clock_timestamp() - start) * 1000);
        start := clock_timestamp();
        PERFORM spotai.audit_consistency_proof(c.p + 1, newest);
        INSERT INTO took VALUES ('consistency', extract(epoch FROM clock_timestamp() - start) * 1000);
    END LOOP;
END
$$;
SELECT :size, what, percentile_disc(0.5) WITHIN GROUP (ORDER BY ms), percentile_disc(0.99) WITHIN GROUP (ORDER BY ms) FROM took GROUP BY what ORDER BY what DESC;
END_OF_SQL
}

proof() {
    local out
    say "proofs"
    out=$(proof_sql | query)
    printf '\n| proofs, one backend, 2,000 entries drawn | leaves | median ms | 99 of 100 below ms | |\n|---|--:|--:|--:|---|\n'
    while IFS='|' read -r size what half most; do
        printf '| %s proof | %s | %.3f | %.3f | %s |\n' "$what" "$size" "$half" "$most" "$(verdict most "$half" 1 ms)"
    done <<< "$out"
}

trap 'cluster_stop bench-server; remove_private_dir bench-server' EXIT
prepare
parts=("$@")
if [ $# = 0 ]; then parts=(single bulk seal proof); fi
for part in "${parts[@]}"; do $part; done
printf '\nfsync is on. Runs of %s s, plain and audited in turn, medians of %s. The sealer runs beside the clients on the same cores.\n' "$SECONDS_EACH" "$RUNS"
