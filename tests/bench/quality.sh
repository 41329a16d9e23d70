#!/bin/bash
# How well "classical" separates real music: plain global SDR by spotai.sdr().
# Run by scripts/bench.sh; needs the shared test data ($SPOTAI_SHARED).
. "$(dirname "$0")/../../scripts/lib.sh"

DATA=${SPOTAI_SHARED:-$ROOT/../shared}/data/separation
[ -d "$DATA" ] || { echo "SKIP no test data in \$SPOTAI_SHARED"; exit 0; }

query() { sql bench-server -At bench "$@"; }
ingest() { { printf "SELECT spotai.ingest(decode('"; base64 -w0 "$1"; printf "', 'base64'))"; } | query; }

# score NAME COUNT MIX STEM=FILE...: adds one row a stem to table score.
score() {
    local name=$1 stems=$2 track stem truth
    track=$(ingest "$3")
    shift 3
    query -c "SELECT count(*) FROM spotai.separate('$track', $stems, 'classical')" > /dev/null
    for stem in "$@"; do
        truth=$(ingest "${stem#*=}")
        query -c "INSERT INTO score SELECT '$name', '${stem%%=*}', spotai.sdr(t.audio_id, s.id) FROM spotai.track t, spotai.audio s
            WHERE t.id = '$truth' AND s.track_id = '$track' AND s.stem = '${stem%%=*}' AND s.stem_count = $stems"
    done
}

prepare() {
    mkdir -p build/logs build/bench
    use_server
    cluster_create_scratch bench-server
    cluster_start bench-server
    sql bench-server -c 'CREATE DATABASE bench' postgres
    query -c 'CREATE EXTENSION spotai' -c 'CALL spotai.migrate()' -c 'CREATE TABLE score (name text, stem text, sdr float8)'
    gcc -std=gnu11 -O2 -o build/bench/shape_audio tests/fixtures/shape_audio.c -lsndfile
}

measure() {
    local d=$DATA/music_delta_80s_rock clip w=build/bench
    score mallory 2 "$DATA/mallory/mix.mp3" vocals="$DATA/mallory/vocals_true.mp3" accompaniment="$DATA/mallory/accompaniment_true.mp3"
    build/bench/shape_audio sum $w/accompaniment.flac "$d"/{drums,bass,other}.flac
    score music_delta 2 "$d/mixture.flac" vocals="$d/vocals.flac" accompaniment=$w/accompaniment.flac
    score music_delta 4 "$d/mixture.flac" drums="$d/drums.flac" bass="$d/bass.flac" other="$d/other.flac"
    for clip in "$DATA"/mir1k/*.flac; do
        build/bench/shape_audio split "$clip" $w/mix.flac $w/accompaniment.flac $w/vocals.flac
        score mir1k 2 $w/mix.flac vocals=$w/vocals.flac accompaniment=$w/accompaniment.flac
    done
    build/bench/shape_audio sum $w/accompaniment.flac demo/song/{drums,bass,other}.flac
    score demo 2 demo/song/mixture.flac vocals=demo/song/vocals.flac accompaniment=$w/accompaniment.flac
    score demo 4 demo/song/mixture.flac drums=demo/song/drums.flac bass=demo/song/bass.flac other=demo/song/other.flac
}

# One row a data set, then the mean of the three real ones.
table() {
    query << 'END'
\echo '| plain global SDR, dB | vocals | accompaniment | drums | bass | other |'
\echo '|---|--:|--:|--:|--:|--:|'
WITH mean AS (SELECT name, stem, avg(sdr) AS sdr, count(*) AS n FROM score GROUP BY name, stem),
     shown AS (SELECT name, stem, sdr, array_position('{mallory,music_delta,mir1k,mean of these,demo}', name) AS place FROM mean
               UNION ALL SELECT 'mean of these', stem, avg(sdr), 4 FROM mean
               WHERE name <> 'demo' AND stem IN ('vocals', 'accompaniment') GROUP BY stem)
SELECT format('| %s | %s | %s | %s | %s | %s |',
              CASE name WHEN 'mir1k' THEN 'mir1k, mean of 40' WHEN 'demo' THEN 'the demo song' ELSE name END,
              max(round(sdr::numeric, 2)) FILTER (WHERE stem = 'vocals'), max(round(sdr::numeric, 2)) FILTER (WHERE stem = 'accompaniment'),
              max(round(sdr::numeric, 2)) FILTER (WHERE stem = 'drums'), max(round(sdr::numeric, 2)) FILTER (WHERE stem = 'bass'),
              max(round(sdr::numeric, 2)) FILTER (WHERE stem = 'other'))
FROM shown GROUP BY place, name ORDER BY place;
END
}

trap 'cluster_stop bench-server; remove_private_dir bench-server' EXIT
prepare
measure
table
