#!/bin/bash
# make dev: from nothing to a song taken apart by SQL.  Can be repeated: what is
# there is kept and used.  "stop" stops the server.
. "$(dirname "$0")/lib.sh"

TITLE='Every Song I Ever Knew'
ARTIST='spotai'
SONG=demo/song
OUT=build/demo

if [ -t 1 ]; then BOLD=$'\e[1m' DIM=$'\e[2m' PLAIN=$'\e[0m'; else BOLD='' DIM='' PLAIN=''; fi
line() { printf '  %s%-9s%s %s\n' "$DIM" "$1" "$PLAIN" "$2"; }
query() { sql dev -At spotai "$@"; }

stop() {
    use_server
    cluster_stop dev
    line server "stopped; its data stays in build/dev"
}

prepare() {
    local started=$SECONDS
    need_packages build
    use_server
    line packages "PostgreSQL $("$PG_CONFIG" --version | cut -d' ' -f2)"
    build > build/logs/build.log 2>&1 || { tail -20 build/logs/build.log; die "the build failed (build/logs/build.log)"; }
    install_extension > build/logs/install.log 2>&1 ||
        { tail -20 build/logs/install.log; die "the installation failed (build/logs/install.log)"; }
    line build "installed in $("$PG_CONFIG" --pkglibdir), after $((SECONDS - started)) s"
}

start() {
    cluster_stop dev
    cluster_create dev "spotai.database = 'spotai'" "cluster_name = 'spotai dev'"
    cluster_start dev
    [ "$(sql dev -Atc "SELECT count(*) FROM pg_database WHERE datname = 'spotai'" postgres)" = 1 ] ||
        sql dev -c 'CREATE DATABASE spotai' postgres
    query > build/logs/extension.log 2>&1 << 'END' || { cat build/logs/extension.log; die "the extension could not be set up"; }
CREATE EXTENSION IF NOT EXISTS spotai;
ALTER EXTENSION spotai UPDATE;
CALL spotai.migrate();
END
    line server "build/dev, no network, socket $(cluster_socket_dir dev)"
    line library "spotai $(query -c 'SELECT spotai.version()'), tables at step $(query -c \
        'SELECT max(version) FROM spotai.schema_migration')"
}

# ingest FILE TITLE: id of the track that holds these bytes, ingested if need be.
ingest() {
    local sha
    sha=$(sha256sum "$1" | cut -d' ' -f1)
    {
        cat << END
SELECT count(*) = 0 AS absent FROM spotai.track t JOIN spotai.audio a ON (a.tenant_id, a.id) = (t.tenant_id, t.audio_id)
WHERE a.sha256 = '\x$sha' AND t.deleted_at IS NULL \gset
\if :absent
END
        printf "SELECT spotai.ingest(decode('"
        base64 -w0 "$1"
        printf "', 'base64'), %s, %s) IS NULL AS ignored \\\\gset\n" "'$2'" "'$ARTIST'"
        cat << END
\endif
SELECT t.id FROM spotai.track t JOIN spotai.audio a ON (a.tenant_id, a.id) = (t.tenant_id, t.audio_id)
WHERE a.sha256 = '\x$sha' AND t.deleted_at IS NULL ORDER BY t.created_at LIMIT 1;
END
    } | query
}

# bar FRACTION MESSAGE: redrawn on a terminal, a line at the end elsewhere.
bar() {
    local width=40 full
    full=$(awk -v p="$1" -v w=$width 'BEGIN { printf "%d", p * w + 0.5 }')
    printf '  %s%-9s%s %s%s %3d %%  %-24s' "$DIM" separate "$PLAIN" \
        "$(printf "%${full}s" '' | sed 's/ /█/g')" "$(printf "%$((width - full))s" '' | sed 's/ /░/g')" \
        "$(awk -v p="$1" 'BEGIN { printf "%d", p * 100 }')" "$2"
}

# separate TRACK: as a job of a background worker, watched from outside.
separate() {
    local job state progress message
    job=$(query -c "SELECT spotai.submit('separate', jsonb_build_object('track_id', '$1', 'stems', 4))")
    while :; do
        IFS='|' read -r state progress message < <(query -c \
            "SELECT state, progress, coalesce(message, '') FROM spotai.job WHERE id = '$job'")
        case $state in
            queued | running) if [ -t 1 ]; then printf '\r'; bar "$progress" "${message:-$state}"; printf '\e[K'; fi ;;
            *) break ;;
        esac
        sleep 0.2
    done
    if [ -t 1 ]; then printf '\r'; fi
    if [ "$state" != succeeded ]; then
        printf '\n'
        die "the job ended as $state" "$(query -c "SELECT error FROM spotai.job WHERE id = '$job'")"
    fi
    bar 1 "$(query -c "SELECT format('%s s of music in %s s', round(a.duration_s::numeric, 1),
            round(extract(epoch FROM j.finished_at - j.started_at), 1))
        FROM spotai.job j, spotai.track t JOIN spotai.audio a ON a.id = t.audio_id
        WHERE j.id = '$job' AND t.id = '$1'")"
    printf '\n'
}

# table TRACK: one row a stem, with the SDR against the stem that was mixed.
table() {
    local stem truth=()
    for stem in vocals drums bass other; do
        truth+=("('$stem', '$(ingest $SONG/$stem.flac "$TITLE ($stem as mixed)")')")
    done
    printf '\n'
    sql dev -P border=1 -P footer=off spotai << END | sed 's/^/  /'
WITH truth (stem, track_id) AS (VALUES $(IFS=,; echo "${truth[*]}"))
SELECT s.stem, round(s.duration_s::numeric, 2) AS "seconds", round(s.rms_db::numeric, 1) AS "level, dB",
       to_char(100 * s.energy_share, '990.0 %') AS "of the energy",
       round(spotai.sdr(t.audio_id, s.id)::numeric, 1) AS "SDR, dB"
FROM spotai.audio s JOIN truth USING (stem) JOIN spotai.track t ON t.id = truth.track_id::uuid
WHERE s.track_id = '$1' AND s.kind = 'stem' AND s.stem_count = 4
ORDER BY array_position(ARRAY['vocals', 'drums', 'bass', 'other'], s.stem);
END
}

# files TRACK: what can be heard and looked at.
files() {
    local stem id
    mkdir -p $OUT
    while IFS='|' read -r stem id; do
        query -c "SELECT encode(spotai.audio_content('$id', 'flac'), 'base64')" < /dev/null | base64 -d > "$OUT/$stem.flac"
        query -c "SELECT spotai.waveform_svg('$id')" < /dev/null > "$OUT/$stem.svg"
    done < <(query -c "SELECT stem, id FROM spotai.audio WHERE track_id = '$1' AND kind = 'stem' AND stem_count = 4
        UNION ALL SELECT 'mixture', audio_id FROM spotai.track WHERE id = '$1'")
    line files "$OUT/{mixture,vocals,drums,bass,other}.{flac,svg}"
}

main() {
    local track
    printf '\n  %sspotai%s  one database, a complete music backend\n\n' "$BOLD" "$PLAIN"
    mkdir -p build/logs
    prepare
    start
    track=$(ingest $SONG/mixture.flac "$TITLE")
    line song "$(query -c "SELECT format('\"%s\", %s s, %s Hz, %s channels, %s', title, round(duration_s::numeric, 1),
        sample_rate_hz, channels, format) FROM spotai.track t JOIN spotai.audio a ON a.id = t.audio_id WHERE t.id = '$track'")"
    separate "$track"
    table "$track"
    files "$track"
    printf '\n  %sgo on with%s  %s -h %s -U postgres spotai\n' "$BOLD" "$PLAIN" \
        "$(command -v psql > /dev/null && echo psql || echo "$PG_BIN/psql")" "$(cluster_socket_dir dev)"
    printf '  %sstop with%s   make dev-stop\n\n' "$BOLD" "$PLAIN"
}

case ${1:-} in
    '') main ;;
    stop) stop ;;
    *) die "unknown argument $1" "usage: scripts/dev.sh [stop]" ;;
esac
