# shellcheck shell=bash
# tests/bench/vector_common.sh: sourced after lib.sh by the benches of nearest embeddings:
# programs, a server, tables, searches.
# shellcheck disable=SC2034 # WORK, DATABASE and SHARED are theirs as well

WORK=$ROOT/build/bench/vector
DATABASE=bench
SHARED=${SPOTAI_SHARED:-$ROOT/../shared}/data/vector
say() { printf '# %s\n' "$1" >&2; }

compile() {
    # vector_sets.c, vector_client.c
    local flags=(-std=gnu11 -Wall -Wextra -Werror -O3 -fno-math-errno -fno-trapping-math -Isrc -Itests -Itests/bench)
    gcc "${flags[@]}" -o "$WORK/sets" tests/bench/vector_sets.c -lpthread -lm
    gcc "${flags[@]}" -I"$("$PG_CONFIG" --includedir)" -o "$WORK/client" tests/bench/vector_client.c \
        -L"$("$PG_CONFIG" --libdir)" -lpq -lm
}

prepare() {
    mkdir -p build/logs "$WORK"
    use_server
    compile
    # durable but for the commit, whose wait is the disk's; no checkpoint but ours
    cluster_create_scratch bench-vector "shared_buffers = 2GB" "fsync = on" "full_page_writes = on" "synchronous_commit = off" \
        "max_wal_size = 32GB" "checkpoint_timeout = 1h" "autovacuum = off" "jit = off" "spotai.workers = 0" \
        "spotai.audit_seal_interval = 0" "max_parallel_workers_per_gather = 0" "maintenance_work_mem = 256MB"
    cluster_start bench-vector
    sql bench-vector -c "CREATE DATABASE $DATABASE" postgres
    query -c 'CREATE EXTENSION spotai' -c 'CALL spotai.migrate()'
    PGHOST=$(cluster_socket_dir bench-vector)
    export PGHOST PGUSER=postgres PGDATABASE=$DATABASE
}

query() { sql bench-vector -At "$@" $DATABASE; }
# ask COMMAND...: the client, its fields separated by blanks.
ask() { ${MEASURE:-} "$WORK/client" "$@" | tr '\t' ' '; }

# make_mnist NAME: NAME.base and NAME.queries.
make_mnist() {
    gzip -dc "$SHARED/mnist_base_60000x784.u8.gz" | "$WORK/sets" bytes 784 "$WORK/$1.base"
    gzip -dc "$SHARED/mnist_query_3000x784.u8.gz" | "$WORK/sets" bytes 784 "$WORK/$1.queries"
}

# make_table NAME SET DIMENSIONS [inline]: inline where rows must not be cut to pieces.
make_table() {
    query -c "DROP TABLE IF EXISTS $1" -c "CREATE TABLE $1 (id integer, part integer, v spotai.embedding($3))" 2> /dev/null
    if [ "${4:-}" = inline ]; then query -c "ALTER TABLE $1 SET (toast_tuple_target = 8160)"; fi
    "$WORK/client" load "$1" "$2"
    query -c "VACUUM (FREEZE, ANALYZE) $1"
}

# make_index TABLE OPERATORS MODE [LABEL]: wall s, CPU s, WAL bytes, bytes of the index.
make_index() {
    local rerank bits figures
    read -r rerank bits <<< "$3"
    query -c 'DROP INDEX IF EXISTS ann' -c 'CHECKPOINT' 2> /dev/null
    figures=$(ask cost "CREATE INDEX ann ON $1 USING spotai_ann (${4:+$4, }v embedding_$2_ops) WITH (rerank = '$rerank', bits = $bits)" \
        "SET max_parallel_maintenance_workers = 2")
    echo "$figures $(query -c "SELECT pg_relation_size('ann')")"
    query -c "VACUUM ANALYZE $1" -c 'CHECKPOINT'
}

# search TABLE METRIC SET PARTS QUERY SETTING...: recall, CPU ms, wall ms, queries short of ten, rows of the shortest, queries out of order.
search() {
    local table=$1 metric=$2 set=$3 parts=$4 statement=$5
    shift 5
    ask run "$metric" "$WORK/$set.base" "$WORK/$set.queries" "$WORK/$set.truth$parts" "$COUNT" "$statement" "$@"
}

operator() { case $1 in l2) echo '<->' ;; cosine) echo '<=>' ;; esac; }
nearest() { printf 'SELECT id FROM %s %s ORDER BY v %s $1 LIMIT 10' "$1" "${3:-}" "$(operator "$2")"; }
