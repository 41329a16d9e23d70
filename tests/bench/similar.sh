#!/bin/bash
# How long does similar_tracks() take?  60,000 digits of MNIST for tracks, 784 dimensions;
# run by scripts/bench.sh; needs an installed extension.  MEASURE is a command that
# runs another while nothing else does.
. "$(dirname "$0")/../../scripts/lib.sh"

DATA=${SPOTAI_SHARED:-$ROOT/../shared}/data/vector/mnist_base_60000x784.u8.gz
QUERIES=300

query() { sql bench-similar -At "$@" bench; }

# A song, 60,000 tracks of it, and a way to measure.
sounds_and_tracks() {
    cat << 'SQL'
\set ECHO none
SELECT spotai.ingest(pg_temp.sine(440, 9000, 4000, 1, 8000));
INSERT INTO spotai.track (id, audio_id, title)
SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, t.audio_id, n FROM spotai.track t, generate_series(1, 60000) n;
INSERT INTO spotai.embedding_space (name, dims) VALUES ('mnist', 784);
-- microseconds of a call, the median
CREATE FUNCTION call_us(queries integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[] := (SELECT array_agg(id) FROM (SELECT id FROM spotai.track WHERE deleted_at IS NULL AND title IS NOT NULL ORDER BY md5(title) LIMIT queries) x);
    times float8[] := '{}';
    began timestamptz;
BEGIN
    PERFORM spotai.similar_tracks(ids[1]);
    FOR i IN 1 .. queries LOOP
        began := clock_timestamp();
        PERFORM spotai.similar_tracks(ids[i]);
        times := times || extract(epoch FROM clock_timestamp() - began)::float8;
    END LOOP;
    RETURN 1e6 * (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY t) FROM unnest(times) t);
END
$$;
SQL
}

prepare() {
    mkdir -p build/logs
    use_server
    cluster_create_scratch bench-similar "shared_buffers = 512MB" "autovacuum = off" "jit = off" "spotai.workers = 0"
    cluster_start bench-similar
    sql bench-similar -c 'CREATE DATABASE bench' postgres
    query -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION spotai' -c 'CALL spotai.migrate()'
    { cat sql/include/sounds.sql; sounds_and_tracks; } | query > /dev/null
    gzip -dc "$DATA" | od -An -v -tu1 -w784 | awk '{ gsub(/ +/, ","); printf "00000000-0000-0000-0000-%012d\tmnist\t{%s}\n", NR, substr($0, 2) }' |
        query -c 'COPY spotai.track_embedding (track_id, space, embedding) FROM STDIN'
    query -c 'VACUUM (FREEZE, ANALYZE)'
}

# alive SHARE: so many of a hundred tracks are not deleted.
alive() {
    query -c "UPDATE spotai.track SET deleted_at = CASE WHEN (hashtext(title) & 65535) % 100 < $1 THEN NULL ELSE now() END WHERE title IS NOT NULL" \
        -c 'VACUUM ANALYZE spotai.track'
}

# line NAME QUERIES: calls with all, a tenth and a hundredth of the tracks.
line() {
    local share us
    printf '| %s |' "$1"
    for share in 100 10 1; do
        alive $share
        us=$(${MEASURE:-} "$PG_BIN/psql" -X -At -h "$(cluster_socket_dir bench-similar)" -U postgres -c "SELECT call_us($2)" bench)
        printf ' %s |' "$(awk -v us="$us" 'BEGIN { printf us < 1e5 ? "%.2f" : "%.0f", us / 1000 }')"
    done
    printf '\n'
}

make_index() {
    query << SQL
SET client_min_messages = warning;
DROP INDEX IF EXISTS spotai.track_embedding_embedding_idx;
SELECT replace(spotai.embedding_index('mnist'), ' WHERE ', ' $1 WHERE ') \\gexec
SQL
}

main() {
    [ -f "$DATA" ] || { echo 'SKIP no shared/data/vector'; return; }
    prepare
    printf '60,000 tracks, 784 dimensions, ten neighbours; milliseconds of a call, the median of %s (of 9 without an index)\n\n' $QUERIES
    printf '| | all tracks | 10 %% not deleted | 1 %% |\n|---|--:|--:|--:|\n'
    line 'without an index' 9
    make_index ''
    line 'with an index' $QUERIES
    make_index "WITH (rerank = ''index'')"
    line 'with an index, rerank = index' $QUERIES
    cluster_stop bench-similar
    remove_private_dir bench-similar
}

main
