#!/bin/bash
# Beside a graph: where pgvector's HNSW is quicker, and what it costs to get there.
# Run by scripts/bench.sh; needs an installed extension, and pgvector.  SETS are the
# sets, "kind rows dimensions" each; GOALS are recalls; COUNT of queries (200), ROUNDS
# (3); MEMORY for the builds (3GB, so that the graph need not spill).
. "$(dirname "$0")/../../scripts/lib.sh"
. "$(dirname "$0")/vector_common.sh"

COUNT=${COUNT:-200}
export ROUNDS=${ROUNDS:-3}
MEMORY=${MEMORY:-3GB}
SETS=${SETS:-mnist 60000 784, clustered 10000 128, clustered 100000 128, clustered 1000000 128, clustered 100000 768, sphere 100000 128, sphere 1000000 128}
GOALS=${GOALS:-.95 .99}
OURS='.50 .70 .80 .85 .90 .95 .98 .99 .995 .999'
GRAPH='10 20 40 80 160 320 640 1000'

# quickest GOAL: of lines "recall ms …" the least time of those as good, with its recall.
quickest() {
    awk -v g="$1" '$1 >= g && (best == "" || $2 < best) { best = $2; recall = $1 } END { if (best == "") print "not reached"; else printf "%.2f (%.3f)", best, recall }'
}

cells() {
    local goal
    for goal in $GOALS; do printf ' %s |' "$(quickest "$goal" <<< "$1")"; done
}

# build STATEMENT: wall seconds, MB of the index "ann", MB of WAL.
build() {
    local wall wal
    query -c 'CHECKPOINT'
    read -r wall _ wal < <(ask cost "$1" "SET maintenance_work_mem = '$MEMORY'" 'SET max_parallel_maintenance_workers = 1')
    query -c 'VACUUM ANALYZE' -c 'CHECKPOINT'
    awk -v wall="$wall" -v size="$(query -c "SELECT pg_relation_size('ann')")" -v wal="$wal" 'BEGIN { printf " %.1f | %.0f | %.0f |", wall, size / 1e6, wal / 1e6 }'
}

# make_set KIND ROWS DIMENSIONS NAME
make_set() {
    say "$4: making it"
    if [ "$1" = mnist ]; then make_mnist "$4"; else
        "$WORK/sets" "$1" "$2" "$3" 1 "$WORK/$4.base"
        "$WORK/sets" "$1" "$COUNT" "$3" 2 "$WORK/$4.queries"
    fi
    "$WORK/sets" truth "$(metric_of "$1")" "$WORK/$4.base" "$WORK/$4.queries" "$COUNT" 1000 "$WORK/$4.truth1000"
}

metric_of() { case $1 in sphere) echo cosine ;; *) echo l2 ;; esac; }

# sweep TABLE METRIC SET SETTING VALUE...: a line of search() for each value.
sweep() {
    local table=$1 metric=$2 set=$3 setting=$4 value
    shift 4
    for value in "$@"; do
        search "$table" "$metric" "$set" 1000 "$(nearest "$table" "$metric")" "SET $setting = $value" 'SET enable_seqscan = off'
    done
}

# shellcheck disable=SC2086 # words
compare() {
    local kind=$1 rows=$2 dims=$3 metric set=$1_$2_$3 bits built
    metric=$(metric_of "$kind")
    if [ "$kind" = mnist ] && [ ! -d "$SHARED" ]; then
        echo "# SKIP mnist: no $SHARED" >&2
        return
    fi
    make_set "$kind" "$rows" "$dims" "$set"
    make_table ours "$WORK/$set.base" "$dims" inline
    for bits in 1 4; do
        say "$set: spotai_ann, bits = $bits"
        query -c 'DROP INDEX IF EXISTS ann' 2> /dev/null
        built=$(build "CREATE INDEX ann ON ours USING spotai_ann (v embedding_${metric}_ops) WITH (bits = $bits)")
        printf '| %s, %s x %s, %s | spotai_ann, bits = %s |%s%s\n' "$kind" "$rows" "$dims" "$metric" "$bits" "$built" \
            "$(cells "$(sweep ours "$metric" "$set" spotai.vector_recall $OURS)")"
    done
    query -c 'DROP TABLE IF EXISTS graph' -c "CREATE TABLE graph (id integer, part integer, v vector($dims))" 2> /dev/null
    query -c 'ALTER TABLE graph SET (toast_tuple_target = 8160)' -c 'ALTER TABLE graph ALTER v SET STORAGE main' -c "INSERT INTO graph SELECT id, part, v::vector FROM ours" -c 'DROP TABLE ours' -c 'VACUUM (FREEZE, ANALYZE) graph'
    say "$set: HNSW"
    built=$(build "CREATE INDEX ann ON graph USING hnsw (v vector_${metric}_ops)")
    printf '| | HNSW, m = 16, ef_construction = 64 |%s%s\n' "$built" "$(cells "$(sweep graph "$metric" "$set" hnsw.ef_search $GRAPH)")"
    query -c 'DROP TABLE graph'
    rm -f "$WORK/$set".*
}

main() {
    local goal set list
    use_server
    if [ ! -f "$("$PG_CONFIG" --sharedir)/extension/vector.control" ]; then
        echo '# SKIP pgvector is not installed'
        return
    fi
    prepare
    query -c 'CREATE EXTENSION vector' -c 'CALL spotai.migrate()' -c "ALTER DATABASE $DATABASE SET search_path = public, spotai"
    printf '| set | index | build, s | MB | MB of WAL |'
    for goal in $GOALS; do printf ' CPU ms at recall@10 of %s |' "$goal"; done
    printf '\n|---|---|--:|--:|--:|%s\n' "$(for goal in $GOALS; do printf -- '--:|'; done)"
    IFS=, read -ra list <<< "$SETS"
    # shellcheck disable=SC2086 # words
    for set in "${list[@]}"; do compare $set; done
    printf '\nThe quickest setting that is as good, with its recall in brackets: spotai.vector_recall of %s, hnsw.ef_search of %s; %s queries. pgvector %s, PostgreSQL %s, both in one server; %s of memory for builds, two cores.\n' \
        "${OURS// /, }" "${GRAPH// /, }" "$COUNT" "$(query -c "SELECT extversion FROM pg_extension WHERE extname = 'vector'")" \
        "$(query -c 'SHOW server_version' | cut -d' ' -f1)" "$MEMORY"
    cluster_stop bench-vector
}

main
