#!/bin/bash
# What has been released does not change: migrations/frozen/SHA256SUMS.
. "$(dirname "$0")/lib.sh"
sums=migrations/frozen/SHA256SUMS
{
    if [ -s "$sums" ]; then
        sha256sum --check --quiet "$sums" 2>&1 | grep -v '^sha256sum: WARNING' || true
    fi
    # everything that lies in frozen/ is listed
    for file in migrations/frozen/*.sql; do
        [ ! -e "$file" ] || grep -qsF " $file" "$sums" || echo "$file: not in $sums"
    done
} | report
