#!/bin/bash
# Shell and Perl files parse, are executable where they have a #! line, and
# stop at the first error.
. "$(dirname "$0")/lib.sh"
{
    tracked_files '*.sh' '.ci/run' | while read -r file; do
        bash -n "$file" 2>&1 || true
        if head -1 "$file" | grep -q '^#!'; then
            [ -x "$file" ] || echo "$file: has a #! line, but is not executable"
            grep -qE '^set -eu|lib\.sh' "$file" || echo "$file: neither set -eu nor a lib.sh that does it"
        fi
    done
} | report
