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

# The purpose in a file's header, to its first full stop or colon.
purpose() {
    sed -nE '/^(#!|\/\*|# shellcheck)/d; /^( \*|#)/!q; s/^( \*|#)[[:space:]]*//; /^tests\/bench\//d; p' "$1" | xargs -d '\n' | sed -E "s/\\?  .*/?/; s/[.:]( .*)?\$//; s/[.:] .*//"
}

# shellcheck disable=SC2046 # -l options are words
compile() {
    local twins=()
    if compgen -G 'tests/twins/*.c' > /dev/null; then twins=(tests/twins/*.c); fi
    gcc -std=gnu11 -Wall -Wextra -O3 -fno-math-errno -fno-trapping-math -Isrc -Itests -o "$PIECES/$2" "$1" \
        ${twins[@]+"${twins[@]}"} src/core/*.o src/core/*/*.o $(core_libs)
}

# run_piece FILE: its table into build/bench/NAME.md.  A piece that ends with 3 has
# missed a bar: its table is kept, and the bench fails all the same.
run_piece() {
    local name out status=0
    name=$(basename "${1%.*}")
    out=$PIECES/$name.md
    case $1 in
        *.c) compile "$1" "$name" && "$PIECES/$name" > "$out.new" ;;
        *) "$1" > "$out.new" ;;
    esac || status=$?
    if [ $status != 0 ] && [ $status != 3 ]; then rm -f "$out.new"; return 1; fi
    if grep -qE '^(# )?SKIP' "$out.new"; then
        cat "$out.new"
        rm "$out.new"
        return 0
    fi
    # what is no table is shown as it is
    if ! grep -q '^|' "$out.new"; then sed -i -e '1i ```' -e '$a ```' "$out.new"; fi
    { printf '## %s\n\n' "$(purpose "$1")"; cat "$out.new"; printf '\n`%s`, %s\n' "$1" "$(machine)"; } > "$out"
    rm "$out.new"
    cat "$out"
    printf '\n'
    return $status
}

# On the page in this order, others behind them.
ORDER=(database neural neural_network quality separation queue audit identity jose merkle audio bss_eval)

page() {
    local piece
    printf '# Benchmarks\n\nWritten by `make bench`. One line below each table says on which machine. Nothing here is a promise for another.\n'
    for piece in "${ORDER[@]}"; do
        if [ -f $PIECES/$piece.md ]; then printf '\n'; cat $PIECES/$piece.md; fi
    done
    for piece in "$PIECES"/*.md; do
        if [[ " ${ORDER[*]} " != *" $(basename "$piece" .md) "* ]]; then printf '\n'; cat "$piece"; fi
    done
}

main() {
    local file failed=0
    mkdir -p build/logs $PIECES
    need_packages build test bench
    use_server
    build
    install_extension > build/logs/install.log
    for file in tests/bench/*.c tests/bench/*.sh; do
        if [ $# -gt 0 ] && [[ " $* " != *" $(basename "${file%.*}") "* ]]; then continue; fi
        # programs that a script of the same folder compiles and runs
        if grep -qsF "$file" tests/bench/*.sh; then continue; fi
        printf '# %s\n' "$file" >&2
        run_piece "$file" || { failed=1; printf '# %s failed\n' "$file" >&2; }
    done
    page | cat -s > docs/benchmarks.md
    return $failed
}

main "$@"
