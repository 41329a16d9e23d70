#!/bin/bash
# Quality, speed and memory of the separation engine alone, beside the naive
# twins.  Argument: seconds of the synthetic stream (default: two hours).
. "$(dirname "$0")/../../scripts/lib.sh"
data=${SPOTAI_SHARED:-../shared}/data/separation
if [ ! -d "$data" ]; then
    echo "# SKIP separation: no clips under $data"
    exit 0
fi
mkdir -p build/bench
# shellcheck disable=SC2046 # -l options are words
"${CC:-cc}" -std=gnu11 -Wall -Wextra -Werror -O3 -fno-math-errno -fno-trapping-math -Isrc -Itests \
    -o build/bench/separation_quality tests/bench/separation_quality.c tests/twins/*.c src/core/*.o src/core/*/*.o $(core_libs)
exec build/bench/separation_quality "$data" "$@"
