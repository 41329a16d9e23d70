#!/bin/bash
# docs/security_asvs.md: every requirement is there once, has a status, and names files
# that exist.  The ids are of the standard's chapters that concern us.
. "$(dirname "$0")/lib.sh"
page=docs/security_asvs.md

# Requirements of each section, from the standard: V6.1 has 3, V6.2 has 12, ...
expected() {
    local section count number
    for section in V6.{1:3,2:12,3:8,4:6,5:8,6:4,7:2,8:4} V7.{1:3,2:4,3:2,4:5,5:3,6:2} V8.{1:4,2:4,3:3,4:2} V9.{1:3,2:4} \
        V10.{1:2,2:3,3:5,4:16,5:5,6:2,7:3} V11.{1:4,2:5,3:5,4:4,5:2,6:2,7:2} V13.{1:4,2:6,3:4,4:7} V14.{1:2,2:8,3:3} \
        V16.{1:1,2:5,3:4,4:3,5:4}; do
        count=${section#*:}
        section=${section%:*}
        for ((number = 1; number <= count; number++)); do echo "$section.$number"; done
    done
}

rows() { grep -E '^\| V[0-9]' "$page"; }

check() {
    # < is missing, > is there too often or not of the standard
    diff <(expected | sort) <(rows | cut -d' ' -f2 | sort) | sed -nE "s|^< (.*)|$page: no row \1|p; s|^> (.*)|$page: row \1 is too much|p"
    rows | awk -F' [|] ' -v page="$page" '
        NF != 5 || $4 !~ /^(test|design|n\/a|not met)$/ { print page ": " $1 ": status is \"" $4 "\"" }
        $2 !~ /^[123]$/ { print page ": " $1 ": level is \"" $2 "\"" }
        $3 == "" || $5 ~ /^ *[|]?$/ { print page ": " $1 ": says nothing" }
        $4 == "test" && $5 !~ /`(sql|tests)\// { print page ": " $1 ": names no test" }'
    rows | grep -oE '`(sql|tests|src|scripts|docs)/[^` ]+`' | tr -d '`' | sort -u |
        while read -r file; do [ -e "$file" ] || echo "$page: $file does not exist"; done
    rows | grep -oE '\]\([a-z_/.]+\.md(#[a-z-]+)?\)' | tr -d '])(' | sort -u |
        while read -r link; do
            file=docs/${link%%#*}
            [ -e "$file" ] || { echo "$page: $link does not exist"; continue; }
            [[ $link == *#* ]] || continue
            sed -nE 's/^#+ //p' "$file" | tr '[:upper:] ' '[:lower:]-' | tr -cd 'a-z0-9\n-' |
                grep -qx -- "${link#*#}" || echo "$page: $link leads nowhere"
        done
    rows | awk -F' [|] ' '
        { n[$4]++ }
        END { printf "Of %d: %d test, %d design, %d n/a, %d not met.\n", NR, n["test"], n["design"], n["n/a"], n["not met"] }' |
        while read -r sum; do grep -qxF "$sum" "$page" || echo "$page: does not say: $sum"; done
}

check | report
