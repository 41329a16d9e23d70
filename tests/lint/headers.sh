#!/bin/bash
# Every C file begins with its own path; those of src/ carry the licence line.
. "$(dirname "$0")/lib.sh"
tracked_files 'src/*.[ch]' 'tests/*.[ch]' | while read -r file; do
    [ "$(sed -n 2p "$file")" = " * $file" ] || echo "$file:2: the header does not begin with the path"
    case $file in
        src/*) sed '/\*\//q' "$file" | grep -q 'SPDX-License-Identifier: PostgreSQL' || echo "$file: no SPDX line in the header" ;;
    esac
done | report
