#!/bin/bash
# Runs every rule of this folder; one line each.  Arguments: names of rules.
set -euo pipefail
cd "$(dirname "$0")/../.."
failed=0
for rule in tests/lint/*.sh; do
    name=$(basename "$rule" .sh)
    case $name in run | lib | selftest) continue ;; esac
    if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
    if output=$("$rule" 2>&1); then
        if [[ $output == SKIP* ]]; then
            echo "skip lint/$name # ${output#SKIP }"
        else
            echo "ok lint/$name"
            if [ -n "$output" ]; then sed 's/^/    /' <<< "$output"; fi
        fi
    else
        failed=1
        echo "not ok lint/$name (tests/lint/README.md#$name says why, and how to fix it)"
        sed 's/^/    /' <<< "$output"
    fi
done
exit $failed
