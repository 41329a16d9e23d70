#!/bin/bash
# Songs in, stems out, end to end in the database: time, memory, cancellation.
# Run by scripts/bench.sh.  LONG_S is the length of the longest song in seconds.
. "$(dirname "$0")/../../scripts/lib.sh"

LONG_S=${LONG_S:-7200}
SONG_S=600
say() { printf '# %s\n' "$1" >&2; }

prepare() {
    local work
    mkdir -p build/logs
    use_server
    cluster_create_scratch bench-server "spotai.workers = 1" "spotai.database = 'bench'" "shared_buffers = 32MB" "max_wal_size = 16GB" "min_wal_size = 8GB"
    cluster_start bench-server
    # the whole server on one core
    taskset -acp 0 "$(as_pg head -1 "$(private_dir bench-server)/data/postmaster.pid")" > /dev/null
    sql bench-server -c 'CREATE DATABASE bench' postgres
    sql bench-server -c 'CREATE EXTENSION spotai' -c 'CALL spotai.migrate()' bench
    work=$(private_dir bench-server)/songs
    mkdir -p "$work"
    gcc -std=gnu11 -O2 -o build/bench/shape_audio tests/fixtures/shape_audio.c -lsndfile
    say "making songs of $SONG_S and $LONG_S seconds"
    build/bench/shape_audio loop $SONG_S demo/song/mixture.flac "$work/song.flac"
    build/bench/shape_audio loop $SONG_S demo/song/mixture.flac "$work/song.mp3"
    build/bench/shape_audio loop "$LONG_S" demo/song/mixture.flac "$work/long.flac"
    if am_root; then chown -R postgres: "$work"; fi
    WORK=$work
}

# measure SECONDS_OF_MUSIC QUERY: one statement in a backend of its own.  Sets
# WALL and CPU in seconds, TIMES real time, PEAK and PRIVATE memory in MB.
measure() {
    local out
    out=$(sql bench-server -At bench << END
SELECT pg_backend_pid() AS pid, spotai.version() \gset
\setenv SPOTAI_PID :pid
\! cut -d' ' -f14,15 /proc/\$SPOTAI_PID/stat
SELECT clock_timestamp() AS start \gset
\o /dev/null
$2;
\o
SELECT extract(epoch FROM clock_timestamp() - :'start');
\! cut -d' ' -f14,15 /proc/\$SPOTAI_PID/stat
\! awk '/VmHWM|RssShmem/ {print \$2}' /proc/\$SPOTAI_PID/status | xargs
END
    )
    read -r WALL CPU TIMES PEAK PRIVATE < <(awk -v music="$1" -v hz="$(getconf CLK_TCK)" '
        NR == 1 { before = $1 + $2 } NR == 2 { wall = $1 } NR == 3 { cpu = ($1 + $2 - before) / hz }
        NR == 4 { printf "%.2f %.2f %.0f %.0f %.0f\n", wall, cpu, music / wall, $1 / 1024, ($1 - $2) / 1024 }' <<< "$out")
}

# measure3 SECONDS_OF_MUSIC QUERY [CLEANUP]: the run of the median time of three.
measure3() {
    local runs=''
    for _ in 1 2 3; do
        measure "$1" "$2"
        runs+="$WALL $CPU $TIMES $PEAK $PRIVATE"$'\n'
        if [ -n "${3:-}" ]; then sql bench-server -q -c "$3" bench; fi
    done
    read -r WALL CPU TIMES PEAK PRIVATE < <(sort -n <<< "${runs%$'\n'}" | sed -n 2p)
}

row() { printf '| %s | %s | %s | %s | %s | %s |\n' "$1" "$WALL" "$CPU" "$TIMES" "$PEAK" "$PRIVATE"; }

# --- time and memory --------------------------------------------------------

throughput() {
    local minutes=$((SONG_S / 60)) long forget='DELETE FROM spotai.track; DELETE FROM spotai.audio'
    local stems="DELETE FROM spotai.audio WHERE kind = 'stem'"
    long=$(awk -v s="$LONG_S" 'BEGIN { printf "%g h", s / 3600 }')
    printf '| one backend, the server on one core | wall s | processor s | x real time | peak MB | of it private MB |\n'
    printf '|---|--:|--:|--:|--:|--:|\n'
    say "ingest"
    measure3 $SONG_S "SELECT spotai.ingest_file('$WORK/song.flac', 'flac')" "$forget"
    row "ingest FLAC, $minutes min"
    measure3 $SONG_S "SELECT spotai.ingest_file('$WORK/song.mp3', 'mp3')" "$forget"
    row "ingest MP3, $minutes min"
    sql bench-server -q -c "SELECT spotai.ingest_file('$WORK/song.flac', 'flac'), spotai.ingest_file('$WORK/song.mp3', 'mp3')" bench > /dev/null
    measure3 $SONG_S "SELECT spotai.ingest_file('$WORK/song.flac', 'again')"
    row "ingest FLAC again, bytes known"
    say "separation"
    measure3 $SONG_S "SELECT * FROM spotai.separate((SELECT id FROM spotai.track WHERE title = 'flac'), 2, 'classical')" "$stems"
    row "separate FLAC into 2, $minutes min"
    measure3 $SONG_S "SELECT * FROM spotai.separate((SELECT id FROM spotai.track WHERE title = 'flac'), 4, 'classical')" "$stems"
    row "separate FLAC into 4, $minutes min"
    measure3 $SONG_S "SELECT * FROM spotai.separate((SELECT id FROM spotai.track WHERE title = 'mp3'), 4, 'classical')" "$stems"
    row "separate MP3 into 4 (24 bits), $minutes min"
    sql bench-server -q -c "SELECT * FROM spotai.separate((SELECT id FROM spotai.track WHERE title = 'flac'), 4, 'classical')" bench > /dev/null
    measure3 $SONG_S "SELECT spotai.remix((SELECT id FROM spotai.track WHERE title = 'flac'), '{\"vocals\": null}')"
    row "remix, $minutes min"
    say "the long song, $long"
    measure "$LONG_S" "SELECT spotai.ingest_file('$WORK/long.flac', 'long')"
    row "ingest FLAC, $long"
    measure "$LONG_S" "SELECT * FROM spotai.separate((SELECT id FROM spotai.track WHERE title = 'long'), 4, 'classical')"
    row "separate into 4, $long"
    printf '\nOf the songs of %s minutes the median of three runs, the long one once. Peak is VmHWM of the backend; private is that\nless the shared memory it had touched (shared_buffers = 32 MB).\n' "$minutes"
}

# --- cancellation -----------------------------------------------------------

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# From pg_cancel_backend to the end of the statement, in ms.
cancel_statement() {
    local client pid start
    sql bench-server -c "/* canceled */ SELECT * FROM spotai.separate((SELECT id FROM spotai.track WHERE title = 'long'), 4, 'classical')" bench 2> /dev/null &
    client=$!
    sleep "$1"
    pid=$(sql bench-server -Atc "SELECT pid FROM pg_stat_activity WHERE query LIKE '/* canceled */%' AND state = 'active'" bench)
    start=$(now_ms)
    sql bench-server -Atc "SELECT pg_cancel_backend($pid)" bench > /dev/null
    wait $client && die "the statement was not canceled"
    echo $(($(now_ms) - start))
}

# From spotai.cancel() to the row that says so, in ms; then how much private
# memory the worker kept, in MB.
cancel_job() {
    local job pid before
    job=$(sql bench-server -Atc "SELECT spotai.submit('separate', jsonb_build_object('track_id', id, 'stems', 4))
        FROM spotai.track WHERE title = 'long'" bench)
    sleep "$1"
    pid=$(sql bench-server -Atc "SELECT worker_pid FROM spotai.job WHERE id = '$job'" bench)
    sql bench-server -At bench << END
SELECT spotai.cancel('$job') AS ignored, clock_timestamp() AS start \gset
SELECT spotai.wait('$job') AS state \gset
SELECT (extract(epoch FROM clock_timestamp() - :'start') * 1000)::integer || ' ' || :'state';
END
    # 200 ms later it must be at rest
    sleep 0.2
    before=$(cut -d' ' -f14,15 "/proc/$pid/stat")
    sleep 0.3
    [ "$(cut -d' ' -f14,15 "/proc/$pid/stat")" = "$before" ] || die "the worker of a canceled job is still busy"
    awk '/RssAnon/ { printf "%.0f\n", $2 / 1024 }' "/proc/$pid/status"
}

cancellation() {
    local at ms worst=0 state kept most=0
    say "cancellation"
    for at in 0.5 1 2 3 5; do
        ms=$(cancel_statement $at)
        [ "$ms" -le $worst ] || worst=$ms
    done
    printf '\n| cancel a running separation | longest of 5 |\n|---|--:|\n'
    printf '| pg_cancel_backend() until the client has the error | %s ms |\n' "$worst"
    worst=0
    for at in 1 2 3 4 5; do
        { read -r ms state; read -r kept; } < <(cancel_job $at)
        [ "$state" = canceled ] || die "the job ended as $state"
        [ "$ms" -le $worst ] || worst=$ms
        [ "$kept" -le $most ] || most=$kept
    done
    printf '| spotai.cancel() until the job is canceled | %s ms |\n' "$worst"
    printf '| private memory of the worker afterwards | %s MB |\n' "$most"
}

trap 'cluster_stop bench-server; remove_private_dir bench-server' EXIT
mkdir -p build/bench
prepare
throughput
cancellation
