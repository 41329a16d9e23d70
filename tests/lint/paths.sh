#!/bin/bash
# No path of one person's machine in the repository.
. "$(dirname "$0")/lib.sh"
tracked_files '*' | grep -vE '^tests/lint/|\.(flac|wav|png|mp3|ogg|opus)$' |
    { xargs -r grep -nHIE '(^|[^A-Za-z0-9_.}-])/(work|home|root|Users)/[A-Za-z0-9]' || true; } | report
