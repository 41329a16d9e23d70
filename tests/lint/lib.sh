# shellcheck shell=bash
# tests/lint/lib.sh: sourced by the rules.  A rule prints one line for each
# violation, "file:line: what", and exits 1 when there was any.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Files under version control, or, in an unpacked tarball, whatever is there.
# Arguments are glob patterns of git (a * also matches slashes).
tracked_files() {
    local file pattern
    { git ls-files --cached --others --exclude-standard 2> /dev/null ||
        find . -type f -not -path './build/*' -not -path './.git/*' -not -name '*.o' -not -name '*.so' |
        sed 's|^\./||'; } | sort -u |
    while read -r file; do
        for pattern in "$@"; do
            # shellcheck disable=SC2053
            if [[ $file == $pattern && -f $file ]]; then echo "$file"; break; fi
        done
    done
}

# Turns the violations on standard input into the exit status.
report() { if grep .; then exit 1; fi; }
