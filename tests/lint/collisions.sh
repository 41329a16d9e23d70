#!/bin/bash
# No function of a library that we call is also one of the server's.
. "$(dirname "$0")/lib.sh"
library=${1:-spotai.so}
server=$("${PG_CONFIG:-pg_config}" --bindir 2> /dev/null)/postgres
if [ ! -f "$library" ]; then
    echo "$library: not built, run make first"
    exit 1
fi
if [ ! -x "$server" ]; then
    echo "SKIP there is no server to compare with"
    exit 0
fi
names() { nm -D "$1" "$2" | awk '{print $NF}' | sed 's/@.*//' | sort -u; }
# the C library is the server's as well as ours
libraries() { ldd "$library" | awk '$3 ~ /^\// {print $3}' | grep -vE '/lib(c|m|pthread|dl|gcc_s)\.so'; }
for other in $(libraries); do
    comm -12 <(names --undefined-only "$library") <(names --defined-only "$other")
done | sort -u | comm -12 - <(names --defined-only "$server") |
    sed "s|.*|$library: & means the server's function, not the library's|" | report
