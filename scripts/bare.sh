#!/bin/bash
# make bare: the two commands of README.md on a machine where nothing was
# prepared: a minimal Debian 12 with make, git and nothing else, and a fresh
# clone of the last commit below /root, where the user postgres cannot go.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/chroot.sh"

# attempt WHAT COMMAND: run in the root, with its time.
attempt() {
    local started=$SECONDS status=0 log=$BARE.${1// /-}.log
    in_root "$BARE" bash -c "cd ~/spotai && $2" > "$log" 2>&1 || status=$?
    printf '%-12s %-7s %4d s   %s\n' "$1" "$([ $status = 0 ] && echo ok || echo FAILED)" $((SECONDS - started)) "$log"
    if [ $status != 0 ]; then tail -60 "$log"; fi
    return $status
}

main() {
    need_root bare
    need_packages matrix
    mkdir -p build/matrix
    BARE=$ROOT/build/matrix/bookworm
    rm -rf --one-file-system "${BARE:?}"
    make_root "$BARE" bookworm make,git,ca-certificates
    git clone -q "$ROOT" "$BARE/root/spotai"
    attempt "make dev" "make dev"
    sed -n '/spotai/,$p' "$BARE.make-dev.log"
    attempt "again" "make dev && make dev-stop"
    attempt "make test" ".ci/run"
    grep -E '^[a-z]+ +(ok|FAILED)|passed' "$BARE.make-test.log"
    # no cluster of the system was made
    [ -z "$(ls -A "$BARE/etc/postgresql" 2> /dev/null)" ] || die "installing made a cluster of the system"
}

main "$@"
