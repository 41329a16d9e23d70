#!/bin/bash
# Networks end to end in the database: speed, first use, memory, rounding.
# Run by scripts/bench.sh.  LONG_S is the length of the longest song in seconds.
# Weights are seeded, of full size: the time does not depend on their values.
# Arguments: names of single parts (speed, variants, first_use, ...); models
# are always installed.
. "$(dirname "$0")/../../scripts/lib.sh"

LONG_S=${LONG_S:-7200}
SONG_S=180
SHORT_S=10 # one patch
RUNS=5
DATA=${SPOTAI_SHARED:-$ROOT/../shared}/data/separation
say() { printf '# %s\n' "$1" >&2; }
query() { sql bench-server -At bench "$@"; }

# --- a server, songs, models ------------------------------------------------

make_files() {
    local weights='/usr/bin/python3 tests/golden/make_neural.py weights --size full' # python3-torch is the distribution's
    gcc -std=gnu11 -O2 -o build/bench/shape_audio tests/fixtures/shape_audio.c -lsndfile
    say "making songs of $SHORT_S, $SONG_S and $LONG_S seconds"
    for seconds in $SHORT_S $SONG_S "$LONG_S"; do
        build/bench/shape_audio loop "$seconds" demo/song/mixture.flac "$WORK/$seconds.flac"
    done
    say "making weights"
    $weights --stems 2 --format tf --out "$WORK" --name two > build/logs/bench-weights.log
    $weights --stems 4 --format tf --out "$WORK" --name four >> build/logs/bench-weights.log
    $weights --stems 4 --format safetensors --out "$WORK" --name four >> build/logs/bench-weights.log
    tar -C "$WORK/four" -I 'gzip -1' -cf "$WORK/four.tar.gz" .
    if am_root; then chown -R postgres: "$WORK"; fi
}

prepare() {
    local seconds
    mkdir -p build/logs build/bench
    use_server
    # one checkpoint or another in the middle of a measurement would be noise
    cluster_create_scratch bench-server "shared_buffers = 32MB" "max_wal_size = 16GB" "min_wal_size = 8GB" "checkpoint_timeout = 1h"
    cluster_start bench-server
    sql bench-server -c 'CREATE DATABASE bench' postgres
    query -c 'CREATE EXTENSION spotai' -c 'CALL spotai.migrate()'
    WORK=$(private_dir bench-server)/files
    mkdir -p "$WORK"
    make_files
    for seconds in $SHORT_S $SONG_S "$LONG_S"; do
        query -c "SELECT spotai.ingest_file('$WORK/$seconds.flac', '$seconds')" > /dev/null
    done
}

# --- one backend ------------------------------------------------------------

# separation STEMS TITLE [MODEL]: a statement.
separation() {
    local model=${3:-four}
    if [ "$1" = 2 ] && [ -z "${3:-}" ]; then model=two; fi
    printf "SELECT count(*) FROM spotai.separate((SELECT id FROM spotai.track WHERE title = '%s'), %s, '%s')" "$2" "$1" "$model"
}

# timed STATEMENT: psql commands that print its seconds.
timed() { printf "SELECT clock_timestamp() AS start \\\\gset\n\\\\o /dev/null\n%s;\n\\\\o\nSELECT extract(epoch FROM clock_timestamp() - :'start');\n" "$1"; }

# memory: psql commands that print the backend's peak, its resident and its private memory, in kB.
memory() { printf "\\\\! awk '/VmHWM|VmRSS|RssAnon/ {print \$2}' /proc/\$SPOTAI_PID/status | xargs\n"; }

# backend SETTINGS: runs the psql commands of stdin in a backend of its own; SETTINGS as "threads=2 nn_precision=f32".
backend() {
    local setting commands=''
    for setting in $1; do commands+="SET spotai.${setting%%=*} = '${setting#*=}';"$'\n'; done
    { printf '%sSELECT pg_backend_pid() AS pid \\gset\n\\setenv SPOTAI_PID :pid\n' "$commands"; cat; } | query
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
largest() { sort -n | tail -1; }
ms() { awk '{ printf "%.0f", 1000 * $1 }'; }
mb() { awk '{ printf "%.0f", $1 / 1024 }'; }

# verdict OPERATOR VALUE BAR [UNIT]: a cell that says whether it holds.
verdict() {
    awk -v op="$1" -v x="$2" -v bar="$3" -v unit="${4:+ $4}" 'BEGIN {
        ok = op == "least" ? x + 0 >= bar : x + 0 <= bar
        printf "at %s %g%s: %s", op, bar, unit, ok ? "holds" : "missed" }'
}

# --- models -----------------------------------------------------------------

# import_row FILE TEXT [DTYPE]: imports as `passing` and drops it again.
import_row() {
    local out
    out=$({ timed "SELECT spotai.model_import('$WORK/$1', 'passing', dtype => '${3:-f32}')"; memory; } | backend "")
    read -r peak _ < <(tail -1 <<< "$out")
    printf '| %s | %.2f | %.0f |\n' "$2" "$(head -1 <<< "$out")" "$(mb <<< "$peak")"
    query -c "SELECT spotai.model_drop('passing')" > /dev/null
}

models() {
    say "models"
    printf '| import a model of 4 stems, 157 MB | s | peak MB of the backend |\n|---|--:|--:|\n'
    import_row four "TensorFlow checkpoint, a folder"
    import_row four.tar.gz "the same in a .tar.gz"
    import_row four.safetensors "safetensors"
    import_row four.safetensors "safetensors, stored as bf16" bf16
    query -c "SELECT spotai.model_import('$WORK/two', 'two'), spotai.model_import('$WORK/four', 'four')" > /dev/null
    query -c "SELECT spotai.model_import('$WORK/four.safetensors', 'four_bf16', dtype => 'bf16')" > /dev/null
    query -c 'VACUUM ANALYZE'
}

# A song is separated once: stems that are there would be deleted within the measurement.
forget() { printf "DELETE FROM spotai.audio WHERE kind = 'stem';\nVACUUM spotai.audio_chunk;\nCHECKPOINT;\n"; }

# A server that has run for a while has files of the log to use again, and does not make new ones of zeros.
settle() { query -c CHECKPOINT; }

# --- speed ------------------------------------------------------------------

# times STEMS SETTINGS [MODEL]: x real time of the song, the median of RUNS after a short song that loads the network.
times() {
    {
        timed "$(separation "$1" $SHORT_S "${3:-}")"
        for _ in $(seq $RUNS); do
            forget
            timed "$(separation "$1" $SONG_S "${3:-}")"
        done
    } | backend "$2" | grep -E '^[0-9.]+$' | tail -$RUNS | median | awk -v music=$SONG_S '{ printf "%.1f", music / $1 }'
}

# speed_row STEMS PRECISION THREADS [BAR [MODEL]]
speed_row() {
    local x
    x=$(times "$1" "threads=$3 nn_precision=$2" "${5:-}")
    printf '| %s | %s | %s | %s | %s | %s |\n' "$1" "$2" "$3" "$(awk -v m=$SONG_S -v x="$x" 'BEGIN { printf "%.2f", m / x }')" \
        "$x" "${4:+$(verdict least "$x" "$4")}"
}

speed() {
    say "speed"
    settle
    printf '\n| stored song to stored FLAC stems, 3 minutes: stems | numbers | threads | s | x real time | bar |\n|--:|---|--:|--:|--:|---|\n'
    speed_row 4 bf16 1
    speed_row 4 bf16 2 100
    speed_row 4 f32 1
    speed_row 4 f32 2 35
    speed_row 2 bf16 1
    speed_row 2 bf16 2 150
    speed_row 2 f32 1
    speed_row 2 f32 2 60
}

# The model that comes with the extension, and what it refines.
base() {
    say "spotai-base"
    settle
    printf '\n| spotai-base, 3 minutes: stems | numbers | threads | s | x real time | bar |\n|--:|---|--:|--:|--:|---|\n'
    speed_row 4 bf16 1 '' spotai-base
    speed_row 4 bf16 2 150 spotai-base
    speed_row 4 f32 1 '' spotai-base
    speed_row 4 f32 2 60 spotai-base
    speed_row 2 bf16 2 '' spotai-base
    speed_row 4 "f32" 1 '' classical | sed 's/| f32 |/| classical, no network |/'
    printf '\n| spotai-base in a new backend: stems | numbers | song | x real time | peak MB | private MB at its end | bar |\n|--:|---|---|--:|--:|--:|---|\n'
    memory_row 4 bf16 $SHORT_S "10 s" 250 spotai-base
    memory_row 4 bf16 $SONG_S "3 min" 250 spotai-base
    memory_row 4 f32 $SONG_S "3 min" 250 spotai-base
    memory_row 4 f32 "$LONG_S" "$(awk -v s="$LONG_S" 'BEGIN { printf "%.3g h", s / 3600 }')" 250 spotai-base
}

variants() {
    local settings plain x
    say "variants"
    settle
    printf '\n| 4 stems, bf16, 2 threads | x real time | of the default |\n|---|--:|--:|\n'
    while IFS='|' read -r settings text; do
        x=$(times 4 "threads=2 nn_precision=bf16 $settings")
        plain=${plain:-$x}
        printf '| %s | %s | %s |\n' "$text" "$x" "$(awk -v x="$x" -v p="$plain" 'BEGIN { printf "%.0f %%", 100 * x / p }')"
    done << 'END'
|default: patches overlap, stems sum to the song
stems_exact=on|spotai.stems_exact: as published
stems_wiener=on|spotai.stems_wiener: multichannel Wiener filter
END
}

# --- first use --------------------------------------------------------------

# Seconds from before psql starts until it has ended.
wall() {
    local start
    start=$(date +%s%N)
    "$@" > /dev/null
    awk -v a="$start" -v b="$(date +%s%N)" 'BEGIN { printf "%.4f\n", (b - a) / 1e9 }'
}

# whole MODEL SETTINGS
whole() { printf '%s;\n' "$(separation 4 $SHORT_S "$1")" | backend "$2"; }
# The first call, and the second.
both_calls() { { timed "$(separation 4 $SHORT_S "$1")"; timed "$(separation 4 $SHORT_S "$1")"; } | backend "$2"; }

# first_row TEXT MODEL PRECISION
first_row() {
    local settings="threads=2 nn_precision=$3" all pairs first second
    all=$(for _ in $(seq $RUNS); do wall whole "$2" "$settings"; done | median)
    pairs=$(for _ in $(seq $RUNS); do both_calls "$2" "$settings" | xargs; done)
    first=$(cut -d' ' -f1 <<< "$pairs" | median)
    second=$(cut -d' ' -f2 <<< "$pairs" | median)
    printf '| %s | %s | %s | %s | %s | %s |\n' "$1" "$(ms <<< "$all")" "$(ms <<< "$first")" "$(ms <<< "$second")" \
        "$(awk -v a="$first" -v b="$second" 'BEGIN { printf "%.0f", 1000 * (a - b) }')" "$(verdict most "$all" 1.5 s)"
}

first_use() {
    say "first use"
    printf '\n| first use of 4 stems in a new backend, a song of one patch (10 s), ms | psql, connection, song, end | the first call | a second call | so, loading the model | bar |\n'
    printf '|---|--:|--:|--:|--:|---|\n'
    first_row bf16 four bf16
    first_row "bf16, stored as bf16" four_bf16 bf16
    first_row f32 four f32
}

# --- memory -----------------------------------------------------------------

# memory_row STEMS PRECISION SECONDS TEXT [BAR [MODEL]]
memory_row() {
    local out peak private
    out=$({ timed "$(separation "$1" "$3" "${6:-}")"; memory; } | backend "threads=2 nn_precision=$2")
    read -r peak _ private < <(tail -1 <<< "$out")
    printf '| %s | %s | %s | %s | %s | %s | %s |\n' "$1" "$2" "$4" "$(awk -v m="$3" -v s="$(head -1 <<< "$out")" 'BEGIN { printf "%.1f", m / s }')" \
        "$(mb <<< "$peak")" "$(mb <<< "$private")" "${5:+$(verdict most "$(mb <<< "$peak")" "$5" MB)}"
}

memory_by_length() {
    local long
    long=$(awk -v s="$LONG_S" 'BEGIN { printf "%.3g h", s / 3600 }')
    say "memory, up to $long"
    printf '\n| a new backend: stems | numbers | song | x real time | peak MB | private MB at its end | bar |\n|--:|---|---|--:|--:|--:|---|\n'
    memory_row 4 bf16 $SHORT_S "10 s" 700
    memory_row 4 f32 $SHORT_S "10 s" 700
    memory_row 4 f32 $SONG_S "3 min" 700
    memory_row 2 bf16 $SONG_S "3 min"
    memory_row 4 bf16 "$LONG_S" "$long" 700
}

# Private memory of one backend after 1, 10 and 100 songs.
memory_by_count() {
    local out one ten hundred
    say "100 songs"
    out=$(for song in $(seq 100); do
        printf '\\o /dev/null\n%s;\n\\o\n' "$(separation 4 $SHORT_S)"
        case $song in 1 | 10 | 100) memory ;; esac
    done | backend "threads=2 nn_precision=bf16")
    { read -r _ _ one; read -r _ _ ten; read -r _ _ hundred; } <<< "$out"
    printf '\n| songs of 10 s in one backend, 4 stems, bf16 | private MB | bar |\n|--:|--:|---|\n'
    printf '| 1 | %.1f | |\n| 10 | %.1f | |\n| 100 | %.1f | growth since the 10th %s |\n' \
        "$(awk -v k="$one" 'BEGIN { print k / 1024 }')" "$(awk -v k="$ten" 'BEGIN { print k / 1024 }')" \
        "$(awk -v k="$hundred" 'BEGIN { print k / 1024 }')" \
        "$(verdict most "$(awk -v a="$ten" -v b="$hundred" 'BEGIN { print (b - a) / 1024 }')" 1 MB)"
}

# --- rounding ---------------------------------------------------------------

ingest() { { printf "SELECT spotai.ingest(decode('"; base64 -w0 "$1"; printf "', 'base64'), '%s')" "$2"; } | query > /dev/null; }

# rounding_row NAME FILE: each stem by bf16 and by f32; separating again would replace it, so the song is there twice.
rounding_row() {
    local precision stems
    for precision in f32 bf16; do
        ingest "$2" "$1 $precision"
        for stems in 2 4; do
            printf '%s;\n' "$(separation $stems "$1 $precision")" | backend "nn_precision=$precision threads=2 stems_bits=24" > /dev/null
        done
    done
    query -v name="$1" << 'END'
WITH stem AS (SELECT right(t.title, 4) = 'bf16' AS rounded, s.stem_count, s.stem, s.id FROM spotai.track t
              JOIN spotai.audio s ON s.track_id = t.id AND s.kind = 'stem' WHERE t.title IN (:'name' || ' f32', :'name' || ' bf16')),
     pair AS (SELECT a.stem_count, a.stem, round(spotai.sdr(a.id, b.id)::numeric, 1) AS sdr FROM stem a
              JOIN stem b USING (stem_count, stem) WHERE NOT a.rounded AND b.rounded)
SELECT format('| %s | %s | %s | %s | %s | %s | %s | at least 35: %s |', :'name',
              max(sdr) FILTER (WHERE stem_count = 2 AND stem = 'vocals'), max(sdr) FILTER (WHERE stem = 'accompaniment'),
              max(sdr) FILTER (WHERE stem_count = 4 AND stem = 'vocals'), max(sdr) FILTER (WHERE stem = 'drums'),
              max(sdr) FILTER (WHERE stem = 'bass'), max(sdr) FILTER (WHERE stem = 'other'),
              CASE WHEN min(sdr) >= 35 THEN 'holds' ELSE 'missed' END) FROM pair;
END
}

rounding() {
    say "rounding"
    printf '\n| bf16 against f32, SDR in dB | vocals of 2 | accompaniment | vocals of 4 | drums | bass | other | bar |\n|---|--:|--:|--:|--:|--:|--:|---|\n'
    if [ ! -d "$DATA" ]; then
        printf '| not measured: no real music in $SPOTAI_SHARED | | | | | | | |\n'
        return
    fi
    rounding_row mallory "$DATA/mallory/mix.mp3"
    rounding_row music_delta "$DATA/music_delta_80s_rock/mixture.flac"
    rounding_row audio_example "$DATA/audio_example.mp3"
    rounding_row demucs_test "$DATA/demucs_test.mp3"
}

# --- all --------------------------------------------------------------------

notes() {
    local flag flags=''
    for flag in avx2 avx512f avx512_bf16 amx_bf16; do
        if grep -qw "$flag" /proc/cpuinfo; then flags+=" $flag"; else flags+=" (no $flag)"; fi
    done
    printf '\nThe bars are of an issue that was written for two cores with AMX; this CPU has%s. Medians of %s runs; memory once.\n' \
        "$flags" $RUNS
    printf 'Peak is VmHWM of the backend, with what it touched of shared_buffers = 32 MB. Weights are random, so what they separate is not music;\n'
    printf 'their rounding is that of any weights of this size.\n'
}

trap 'cluster_stop bench-server; remove_private_dir bench-server' EXIT
prepare
models
parts=("$@")
if [ $# = 0 ]; then parts=(speed base variants first_use memory_by_length memory_by_count rounding); fi
for part in "${parts[@]}"; do $part; done
notes
