#!/bin/bash
# Every expected file belongs to a test, and every test has one.
. "$(dirname "$0")/lib.sh"
# pair TESTS SUFFIX EXPECTED
pair() {
    local file base
    for file in "$3"/*.out; do
        [ -e "$file" ] || continue
        base=$(basename "$file" .out)
        # x_1.out is an alternative of x.out
        [ -e "$1/$base.$2" ] || [ -e "$1/${base%_[0-9]}.$2" ] || echo "$file: no $1/$base.$2"
    done
    for file in "$1"/*."$2"; do
        [ -e "$file" ] || continue
        base=$(basename "$file" ".$2")
        [ -e "$3/$base.out" ] || echo "$file: no $3/$base.out"
    done
}
{
    pair sql sql expected
    pair tests/isolation/specs spec tests/isolation/expected
} | report
