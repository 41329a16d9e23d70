#!/bin/sh
# tests/fuzz/run.sh SECONDS [HARNESS...]
#     Build the libFuzzer harnesses, seed them with generated audio and weight
#     files, run each for SECONDS.  Exits non-zero on a finding; the input that
#     did it stays in build/fuzz/findings.  The corpus in build/fuzz/corpus_*
#     grows from run to run and may be deleted.
# SPDX-License-Identifier: PostgreSQL
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:?usage: tests/fuzz/run.sh SECONDS [HARNESS...]}
shift
clang=${FUZZ_CC:-clang-14}
out=build/fuzz
flags="-std=gnu11 -Wall -Wextra -Werror -g -O1 -fno-omit-frame-pointer -Isrc -Itests"
sanitize="-fsanitize=address,undefined -fno-sanitize-recover=all"
libs="-lsndfile -lFLAC -lsoxr -larchive -ljansson -lcrypto -lm"
files="src/core/sp_base.c src/core/io/*.c src/core/audio/*.c src/core/model/*.c src/core/nn/tensor.c src/core/vector/text.c"
proofs="src/core/sp_base.c src/core/crypto/*.c src/core/jose/*.c src/core/merkle/*.c"

[ $# -gt 0 ] || set -- $(ls tests/fuzz/fuzz_*.c | sed 's|.*/||;s|\.c$||')
mkdir -p $out/seeds $out/seeds_weights $out/findings
$clang $flags -o $out/make_audio tests/fixtures/make_audio.c -lsndfile -lm
$out/make_audio $out/seeds seeds > /dev/null
$clang $flags -o $out/make_weights tests/fixtures/make_weights.c -larchive
$out/make_weights $out/seeds_weights
tests/fixtures/make_jose.sh $out/seeds_jose

status=0
for harness in "$@"; do
	mkdir -p $out/corpus_"$harness"
	case $harness in
		fuzz_base64 | fuzz_jwk | fuzz_jws | fuzz_otp | fuzz_note | fuzz_export | fuzz_proof) sources=$proofs ;;
		*) sources=$files ;;
	esac
	$clang $flags $sanitize -fsanitize=fuzzer -o $out/"$harness" tests/fuzz/"$harness".c \
		$sources $libs
	case $harness in
		fuzz_decode) seeds=$out/seeds ;;
		fuzz_archive | fuzz_bundle | fuzz_safetensors) seeds=$out/seeds_weights ;;
		fuzz_note | fuzz_export) seeds=tests/golden/merkle ;;
		fuzz_jwk | fuzz_jws) seeds=$out/seeds_jose ;;
		*) seeds= ;;
	esac
	echo "# $harness: $seconds s"
	# -rss_limit_mb: more memory than this for 64 KB of input is a finding too.
	if $out/"$harness" -max_total_time="$seconds" -max_len=70000 -timeout=20 -rss_limit_mb=1024 \
		-artifact_prefix=$out/findings/"$harness"- -print_final_stats=1 \
		$out/corpus_"$harness" $seeds > $out/"$harness".log 2>&1; then
		grep -E 'stat::(number_of_executed_units|peak_rss_mb)' $out/"$harness".log
	else
		status=1
		echo "not ok - $harness: see $out/$harness.log and $out/findings"
		tail -n 40 $out/"$harness".log
	fi
done
exit $status
