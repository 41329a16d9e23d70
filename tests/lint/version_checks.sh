#!/bin/bash
# PG_VERSION_NUM appears in src/pg/compat.h alone, and what only some versions have not at all.
. "$(dirname "$0")/lib.sh"
tracked_files 'src/*.[ch]' 'tests/*.[ch]' | grep -vx 'src/pg/compat.h' |
    { xargs -r grep -nHE 'PG_VERSION_NUM|PG_MAJORVERSION_NUM|pg_attribute_noreturn' || true; } | report
