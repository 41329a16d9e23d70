#!/bin/bash
# Quality, speed and memory of the separation engine alone, beside the naive
# twins.  Argument: seconds of the synthetic stream (default: two hours).
set -euo pipefail
cd "$(dirname "$0")/../.."
data=${SPOTAI_SHARED:-../shared}/data/separation
if [ ! -d "$data" ]; then
    echo "# SKIP separation: no clips under $data"
    exit 0
fi
mkdir -p build/bench
"${CC:-cc}" -std=gnu11 -Wall -Wextra -Werror -O3 -fno-math-errno -fno-trapping-math -Isrc -Itests \
    -o build/bench/separation_quality tests/bench/separation_quality.c tests/twins/*.c \
    src/core/sp_base.c src/core/dsp/*.c \
    src/core/stems/{feed,layers,outlet,pitch,repet,separator,stages,voice,wiener}.c \
    -lsndfile -lfftw3f -lm
exec build/bench/separation_quality "$data" "$@"
