#!/bin/bash
# make bench: runs what is in tests/bench (C programs against the objects that
# are shipped, scripts against scratch servers), prints the tables and writes
# docs/benchmarks.md.  Arguments: names of single pieces; the others keep the
# result of their last run.
. "$(dirname "$0")/lib.sh"

PIECES=build/bench

machine() {
    printf '%s, %d cores, %s GB, Linux %s, PostgreSQL %s, %s' \
        "$(sed -nE 's/^model name\s*: //p' /proc/cpuinfo | head -1)" "$(nproc)" \
        "$(awk '/MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)" "$(uname -r)" \
        "$("$PG_CONFIG" --version | cut -d' ' -f2)" "$(gcc --version | head -1 | sed 's/ (.*) / /')"
}

# The one-line purpose in a file's header.
purpose() {
    case $1 in
        *.c) sed -n 3p "$1" | sed -E 's/^ \*\s*//' ;;
        *) sed -n 2p "$1" | sed -E 's/^# *//' ;;
    esac
}

compile() {
    local twins=()
    if compgen -G 'tests/twins/*.c' > /dev/null; then twins=(tests/twins/*.c); fi
    gcc -std=gnu11 -Wall -Wextra -O3 -fno-math-errno -fno-trapping-math -Isrc -Itests -o "$PIECES/$2" "$1" \
        ${twins[@]+"${twins[@]}"} src/core/*.o src/core/*/*.o -lsndfile -lsoxr -lfftw3f -lfftw3 -lm
}

# run_piece FILE: its table into build/bench/NAME.md.
run_piece() {
    local name out
    name=$(basename "${1%.*}")
    out=$PIECES/$name.md
    case $1 in
        *.c) compile "$1" "$name" && "$PIECES/$name" > "$out.new" ;;
        *) "$1" > "$out.new" ;;
    esac || { rm -f "$out.new"; return 1; }
    # what is no table is shown as it is
    if ! grep -q '^|' "$out.new"; then sed -i -e '1i ```' -e '$a ```' "$out.new"; fi
    { printf '## %s\n\n' "$(purpose "$1")"; cat "$out.new"; printf '\n`%s`, %s\n' "$1" "$(machine)"; } > "$out"
    rm "$out.new"
    cat "$out"
    printf '\n'
}

page() {
    local piece
    printf '# Benchmarks\n\nWritten by `make bench`. One line below each table says on which machine. Nothing here is a promise for another.\n'
    for piece in database quality queue audio bss_eval; do
        if [ -f $PIECES/$piece.md ]; then printf '\n'; cat $PIECES/$piece.md; fi
    done
    for piece in "$PIECES"/*.md; do
        case $(basename "$piece" .md) in
            database | quality | queue | audio | bss_eval) ;;
            *) printf '\n'; cat "$piece" ;;
        esac
    done
}

main() {
    local file failed=0
    mkdir -p build/logs $PIECES
    need_packages build bench
    use_server
    build
    install_extension > build/logs/install.log
    for file in tests/bench/*.c tests/bench/*.sh; do
        if [ $# -gt 0 ] && [[ " $* " != *" $(basename "${file%.*}") "* ]]; then continue; fi
        [[ $file != *.sh || -x $file ]] || continue
        printf '# %s\n' "$file" >&2
        run_piece "$file" || { failed=1; printf '# %s failed\n' "$file" >&2; }
    done
    page > docs/benchmarks.md
    return $failed
}

main "$@"
