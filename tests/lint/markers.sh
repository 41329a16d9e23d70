#!/bin/bash
# No TODO, FIXME or XXX: what is to be done has an issue, or is done.
. "$(dirname "$0")/lib.sh"
tracked_files '*.[ch]' '*.sql' '*.sh' '*.pl' '*.pm' '*.py' '*.md' 'Makefile' | grep -v '^tests/lint/' |
    { xargs -r grep -nHIE '(^|[^A-Za-z_])(TODO|FIXME|XXX)([^A-Za-z_]|$)|^#if 0' || true; } | report
