#!/bin/bash
# The queue: jobs a second, pick-up, cancellation, kill -9 of workers.
# Run by scripts/bench.sh; needs an installed extension.  SPOTAI_JOB_KILLS
# cycles of kill -9, 100 unless told otherwise, on SPOTAI_JOB_COUNT jobs.
. "$(dirname "$0")/../../scripts/lib.sh"

use_server
pgxs=$(dirname "$(dirname "$("$PG_CONFIG" --pgxs)")" | sed 's|/src$||')
remove_private_dir bench-queue
dir=$(private_dir bench-queue)
mkdir -p "$dir/tests"
cp -a tests/tap tests/bench "$dir/tests/"
if am_root; then chown -R postgres: "$dir"; fi
as_pg bash -c 'cd "$1" && shift && exec "$@"' - "$dir" env \
    PG_CONFIG="$PG_CONFIG" PATH="$PG_BIN:$PATH" PG_REGRESS="$pgxs/src/test/regress/pg_regress" \
    TESTDATADIR="$dir/tmp_check" TESTLOGDIR="$dir/tmp_check/log" PERL5LIB="$pgxs/src/test/perl" \
    SPOTAI_JOB_KILLS="${SPOTAI_JOB_KILLS:-100}" SPOTAI_JOB_COUNT="${SPOTAI_JOB_COUNT:-200000}" \
    perl tests/bench/queue.pl
