#!/bin/bash
# The core is C11 without PostgreSQL, without output and without exits.
. "$(dirname "$0")/lib.sh"
{
    tracked_files 'src/core/*.[ch]' | xargs -r grep -nHE \
        '#include [<"](postgres|fmgr|miscadmin|utils/|access/|catalog/|executor/|storage/|pg/)' |
        sed 's/$/  (PostgreSQL in the core)/' || true
    tracked_files 'src/core/*.[ch]' | xargs -r grep -nHE \
        '(^|[^_a-zA-Z0-9])(printf|puts|putchar|perror|exit|abort|longjmp|setjmp|system|getenv) *\(|[^_a-zA-Z0-9](stdout|stderr)[^_a-zA-Z0-9]' |
        grep -vE ':[0-9]+:\s*(/?\*|//)' | sed 's/$/  (the core returns a status, nothing else)/' || true
    # each header and source stands on its own, with no server include path
    tracked_files 'src/core/*.[ch]' | while read -r file; do
        ${CC:-gcc} -std=gnu11 -Wall -Wextra -Werror -Wno-unused-function -Isrc -fsyntax-only -x c "$file" 2>&1 | grep -E 'error|warning' |
            grep -v 'pragma once in main file' || true
    done
} | report
