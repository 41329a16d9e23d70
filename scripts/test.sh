#!/bin/bash
# make test: everything that shows whether spotai works.  Arguments: names of
# steps to run instead of all.  One line a step; logs in build/logs.  The last
# line is "N passed, N failed[, N skipped]".
. "$(dirname "$0")/lib.sh"

STEPS=(gcc lint clang unit install regress isolation tap fuzz docs)
FUZZ_SECONDS=${FUZZ_SECONDS:-30}
mkdir -p build/logs
RESULTS=$ROOT/build/logs/results
: > "$RESULTS"

# Every test of every step ends in one of these.
passed() { echo "ok $1" >> "$RESULTS"; }
failed() { echo "not ok $1" >> "$RESULTS"; }
skipped() { echo "skip $1 # $2" >> "$RESULTS"; }
# A step that is one test: verdict NAME STATUS.
verdict() { if [ "$2" = 0 ]; then passed "$1"; else failed "$1"; fi; }

# --- steps: each writes its log to standard output --------------------------

step_lint() {
    local output status=0 self=0
    tests/lint/selftest.sh || self=$?
    verdict lint/selftest $self
    output=$(tests/lint/run.sh) || status=$?
    echo "$output"
    { grep -E '^(ok|not ok|skip) ' <<< "$output" | sed 's/ (tests.*//' || echo "not ok lint"; } >> "$RESULTS"
}

step_gcc() {
    local status=0
    make -j"$(nproc)" -s PG_CONFIG="$PG_CONFIG" CC=gcc all || status=$?
    verdict build/gcc $status
}

# Objects of the two compilers do not mix, so clang works in a copy.
step_clang() {
    local status=0 clang
    clang=$(command -v clang-14 || command -v clang) || { skipped build/clang "clang is not here"; return; }
    mkdir -p build/clang/src
    # what has been renamed since the last time must not be built
    find build/clang/src -name '*.[ch]' -delete
    cp -a Makefile spotai.control src migrations scripts build/clang/
    find build/clang/src -name '*.o' -delete
    make -C build/clang -j"$(nproc)" -s PG_CONFIG="$PG_CONFIG" CC="$clang" all || status=$?
    verdict build/clang $status
}

step_unit() {
    local source name binary status
    make -j"$(nproc)" -s PG_CONFIG="$PG_CONFIG" build-unit || { failed unit/build; return; }
    for source in tests/unit/test_*.c; do
        name=$(basename "$source" .c)
        binary=build/unit/$name
        status=0
        echo "# $name"
        "$binary" || status=$?
        verdict "unit/${name#test_}" $status
    done
}

step_install() {
    local status=0
    build && install_extension || status=$?
    verdict install $status
    start_test_cluster || { failed "install/cluster"; return; }
    passed install/cluster
}

start_test_cluster() {
    cluster_create_scratch test "max_connections = 40" "log_min_messages = warning"
    cluster_start test
}

# pg_regress of 15 says "test NAME ... ok", later ones "ok 1 - NAME".
regress_results() {
    sed -nE -e 's|^(test )? *([a-z0-9_]+) +\.\.\. ok .*|ok '"$1"'/\2|p' \
        -e 's|^(test )? *([a-z0-9_]+) +\.\.\. FAILED.*|not ok '"$1"'/\2|p' \
        -e 's|^(ok\|not ok) +[0-9]+ +[-+] +([a-z0-9_]+).*|\1 '"$1"'/\2|p' >> "$RESULTS"
}

# run_pg_regress LABEL PROGRAM STAGE_DIR OUTPUT_DIR TEST...
run_pg_regress() {
    local label=$1 program=$2 input=$3 output=$4 log=build/logs/$1.out status=0
    shift 4
    as_pg env SPOTAI_SHARED="${SPOTAI_SHARED:-}" "$program" --inputdir="$input" --outputdir="$output" --bindir="$PG_BIN" \
        --host="$(cluster_socket_dir test)" --user=postgres --dbname="spotai_$label" "$@" 2>&1 | tee "$log" || status=$?
    regress_results "$label" < "$log"
    if [ $status != 0 ]; then
        as_pg cat "$output/regression.diffs" 2> /dev/null | head -300 || true
        grep -q "^not ok $label/" "$RESULTS" || failed "$label"
    fi
}

step_regress() {
    local names=() file
    for file in sql/*.sql; do
        if [ "$file" = sql/pgvector.sql ] && [ ! -f "$("$PG_CONFIG" --sharedir)/extension/vector.control" ]; then
            skipped regress/pgvector "pgvector is not installed"
        else
            names+=("$(basename "$file" .sql)")
        fi
    done
    run_pg_regress regress "$(pgxs_dir)/src/test/regress/pg_regress" "$STAGE" "$STAGE" "${names[@]}"
}

step_isolation() {
    local names=() file
    for file in tests/isolation/specs/*.spec; do
        [ -e "$file" ] || { skipped isolation "no specs"; return; }
        names+=("$(basename "$file" .spec)")
    done
    run_pg_regress isolation "$(pgxs_dir)/src/test/isolation/pg_isolation_regress" \
        "$STAGE/tests/isolation" "$STAGE/isolation" "${names[@]}"
}

# Each file starts its own servers.
step_tap() {
    local log=build/logs/tap.out
    compgen -G 'tests/tap/*.pl' > /dev/null || { skipped tap "no files"; return; }
    in_tap "$STAGE" prove --timer ${PROVE_FLAGS:-} tests/tap/*.pl 2>&1 | tee "$log" || true
    # "tests/tap/x.pl .. ok 123 ms", "... skipped: why", anything else failed
    sed -nE -e 's|^(\[[0-9:]+\] )?tests/tap/([^ ]+)\.pl \.+ +ok.*|ok tap/\2|p' \
        -e 's|^(\[[0-9:]+\] )?tests/tap/([^ ]+)\.pl \.+ +skipped:? ?(.*)|skip tap/\2 # \3|p' \
        -e 's|^tests/tap/([^ ]+)\.pl +\(Wstat.*|not ok tap/\1|p' "$log" | sort -u >> "$RESULTS"
    grep -q ' tap/' "$RESULTS" || failed tap
}

step_fuzz() {
    local status harness harnesses=(tests/fuzz/fuzz_*.c)
    command -v clang-14 > /dev/null || { skipped fuzz "clang-14 is not here"; return; }
    for harness in "${harnesses[@]}"; do
        harness=$(basename "$harness" .c)
        status=0
        tests/fuzz/run.sh $((FUZZ_SECONDS / ${#harnesses[@]})) "$harness" || status=$?
        verdict "fuzz/${harness#fuzz_}" $status
    done
}

step_docs() {
    local status=0
    [ -x scripts/docs.sh ] || { skipped docs "no generator"; return; }
    scripts/docs.sh check || status=$?
    verdict docs/fresh $status
}

# --- running them -----------------------------------------------------------

run_step() {
    local name=$1 log=build/logs/$1.log before after bad started=$SECONDS mark="ok"
    before=$(wc -l < "$RESULTS")
    (set -e; "step_$name") > "$log" 2>&1 || failed "$name/script"
    after=$(wc -l < "$RESULTS")
    [ "$after" -gt "$before" ] || failed "$name/nothing-ran"
    # tests inside a step that need the shared folder say so
    grep -hoE '^#? ?SKIP.*' "$log" | sort -u | sed "s|^#* *SKIP *|skip $name # |" >> "$RESULTS" || true
    bad=$(tail -n +$((before + 1)) "$RESULTS" | grep -c '^not ok' || true)
    [ "$bad" = 0 ] || mark="FAILED"
    printf '%-10s %-7s %4d s   %d of %d\n' "$name" "$mark" $((SECONDS - started)) \
        "$(tail -n +$((before + 1)) "$RESULTS" | grep -c '^ok ')" \
        "$(tail -n +$((before + 1)) "$RESULTS" | grep -cE '^(ok|not ok) ')"
    tail -n +$((before + 1)) "$RESULTS" | sed -nE 's/^skip /           skipped: /p'
    if [ "$bad" != 0 ]; then
        tail -n +$((before + 1)) "$RESULTS" | sed -nE 's/^not ok /           failed: /p'
        echo "           --- the end of $log"
        tail -n 40 "$log" | sed -e 's/^/           /' -e '$a\'
    fi
}

finish() {
    local status=$1 n_ok n_bad n_skip
    for name in test docs; do cluster_stop $name; done
    n_ok=$(grep -c '^ok ' "$RESULTS" || true)
    n_bad=$(grep -c '^not ok ' "$RESULTS" || true)
    n_skip=$(grep -c '^skip ' "$RESULTS" || true)
    if [ "$status" != 0 ] && [ "$n_bad" = 0 ]; then n_bad=1; fi
    printf '%d passed, %d failed' "$n_ok" "$n_bad"
    if [ "$n_skip" != 0 ]; then printf ', %d skipped' "$n_skip"; fi
    printf '\n'
    [ "$n_bad" = 0 ]
}

main() {
    local step
    # a run of steps that need only a server and gcc installs no more than that
    case " $* " in
        "  " | *" lint "* | *" clang "* | *" tap "* | *" fuzz "*) need_packages build test ;;
        *) need_packages build ;;
    esac
    use_server
    echo "PostgreSQL $("$PG_CONFIG" --version | cut -d' ' -f2), $(gcc --version | head -1), $(nproc) cores"
    STAGE=$(stage)
    trap 'status=$?; trap - EXIT; finish $status || status=1; exit $status' EXIT
    if [ $# -gt 0 ]; then
        STEPS=("$@")
        case " $* " in *" install "*) ;; *regress* | *isolation*) start_test_cluster ;; esac
    fi
    for step in "${STEPS[@]}"; do run_step "$step"; done
}

main "$@"
