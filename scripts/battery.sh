#!/bin/bash
# make battery: for long what the tests do for seconds; nothing may be lost, doubled
# or called damaged.  Needs an installed extension.  Arguments: single parts.
#
# audit   SPOTAI_AUDIT_ENTRIES rows (1,000,000) by 16 clients, SPOTAI_AUDIT_KILLS (20) times kill -9
# vector  SPOTAI_ANN_KILLS (500) times kill -9 while indexed embeddings change and indexes are
#         built; a replica under SPOTAI_ANN_SECONDS (600) of load; as long with SPOTAI_ANN_CLIENTS
#         (100); SPOTAI_ANN_DAMAGES (400) times bytes that somebody else wrote
. "$(dirname "$0")/lib.sh"

main() {
    local part files=()
    if [ $# = 0 ]; then set -- audit vector; fi
    for part in "$@"; do
        case $part in
            audit) files+=(tests/tap/053_audit.pl) ;;
            vector) files+=(tests/tap/06?_ann_*.pl) ;;
            *) die "there is no part $part" ;;
        esac
    done
    mkdir -p build/logs
    need_packages build test
    use_server
    export SPOTAI_AUDIT_ENTRIES=${SPOTAI_AUDIT_ENTRIES:-1000000} SPOTAI_AUDIT_KILLS=${SPOTAI_AUDIT_KILLS:-20}
    export SPOTAI_ANN_KILLS=${SPOTAI_ANN_KILLS:-500} SPOTAI_ANN_SECONDS=${SPOTAI_ANN_SECONDS:-600} SPOTAI_ANN_CLIENTS=${SPOTAI_ANN_CLIENTS:-100}
    export SPOTAI_ANN_DAMAGES=${SPOTAI_ANN_DAMAGES:-400}
    in_tap "$(stage)" prove -v "${files[@]}"
}

main "$@"
