#!/bin/bash
# The install script follows pgspot's rules: nothing in it can be captured by
# objects of somebody else's.
. "$(dirname "$0")/lib.sh"
# Debian's python3-pglast belongs to Debian's python3
python=/usr/bin/python3
"$python" -c 'import pglast' 2> /dev/null || { echo "SKIP python3-pglast is not here"; exit 0; }
scripts/assemble_sql.sh | "$python" tests/lint/spot.py
