#!/bin/bash
# make matrix: build and regression on a newer PostgreSQL, in a Debian root of
# its own.  Argument: 17 (Debian 13, the default) or 18 (Debian sid).  Debian
# never packaged 16.  Ends with the row for the table of versions in README.md.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/chroot.sh"

main() {
    local version=${1:-17} suite root started=$SECONDS status=0 log result
    case $version in
        17) suite=trixie ;;
        18) suite=sid ;;
        16) die "Debian has no PostgreSQL 16: 12 has 15, 13 has 17, sid has 18" ;;
        *) die "unknown version $version" "usage: scripts/matrix.sh [17|18]" ;;
    esac
    need_root matrix
    need_packages matrix
    root=$ROOT/build/matrix/$suite
    log=$root.test.log
    mkdir -p build/matrix
    make_root "$root" "$suite" make,gcc,libc6-dev
    echo "root       $suite in build/matrix/$suite, after $((SECONDS - started)) s"
    copy_tree "$root/src/spotai"
    # pgvector after the server: its packages would make a cluster of their own
    in_root "$root" bash -c 'cd /src/spotai && scripts/test.sh gcc && apt-get install -qq -y postgresql-'"$version"'-pgvector' > "$log" 2>&1 ||
        die "no build, or no pgvector ($log)"
    in_root "$root" bash -c 'cd /src/spotai && FUZZ_SECONDS=1 scripts/test.sh gcc install regress isolation' > "$log" 2>&1 || status=$?
    grep -E '^(PostgreSQL|gcc|install|regress|isolation) |failed:|skipped:' "$log" || true
    result=$(tail -1 "$log")
    [ $status = 0 ] || { tail -60 "$log"; }
    printf '| %s | Debian %s | %s | %s | %d s |\n' \
        "$(sed -nE 's/^PostgreSQL ([^,]*),.*/\1/p' "$log")" "$suite" \
        "$(sed -nE 's/^PostgreSQL [^,]*, (gcc) \([^)]*\) ([0-9.]+).*/\1 \2/p' "$log")" "$result" $((SECONDS - started))
    return $status
}

main "$@"
