#!/bin/bash
# The library exports exactly the functions that the install script names.
. "$(dirname "$0")/lib.sh"
library=${1:-spotai.so}
script=$(ls migrations/spotai--[0-9]*.sql 2> /dev/null | grep -v -- '--.*--' | head -1 || true)
if [ ! -f "$library" ] || [ ! -f "$script" ]; then
    echo "$library: not built, run make first"
    exit 1
fi
# what the server looks for by itself
own='_PG_init|_PG_fini|Pg_magic_func'
exported() { nm -D --defined-only "$library" | awk '{print $3}' | sed 's/@.*//' | grep -vxE "_init|_fini|$own" | sort -u; }
# each SQL-callable function, and the record that describes it; plus background
# worker entry points, which the code names by string
sql_functions() { grep -oE "'MODULE_PATHNAME', *'\w+'" "$script" | grep -oE "'\w+'$" | tr -d "'"; }
named() {
    sql_functions | sed 'p; s/^/pg_finfo_/'
    grep -hoE 'bgw_function_name, *(BGW_MAXLEN, *)?"\w+"|bgw_function_name, *BGW_MAXLEN, *"%s", *"\w+"' src/pg/*.c src/pg/*/*.c |
        grep -oE '"\w+"$' | tr -d '"' || true
    grep -hoE '^#define SP_\w+_MAIN +"\w+"' src/pg/*.[ch] src/pg/*/*.[ch] | grep -oE '"\w+"$' | tr -d '"' || true
}
# a core function that is declared but not defined would only be noticed when
# the server loads the library
{
    nm -D --undefined-only "$library" | sed -nE "s|^ *U (sp_\w+).*|$library: used, but not defined: \1|p"
    diff <(exported) <(named | sort -u) |
        sed -nE "s|^< |$library: exported, but named nowhere: |p; s|^> |$library: named, but not exported: |p"
} | report
