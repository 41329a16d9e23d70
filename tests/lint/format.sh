#!/bin/bash
# clang-format 14 changes nothing.
. "$(dirname "$0")/lib.sh"
formatter=$(command -v clang-format-14) || { echo "SKIP clang-format-14 is not here; other versions format differently"; exit 0; }
tracked_files 'src/*.[ch]' 'tests/*.[ch]' | while read -r file; do
    "$formatter" "$file" | cmp -s - "$file" || echo "$file: not formatted, run $(basename "$formatter") -i $file"
done | report
