#!/bin/bash
# The version is said once, in spotai.control; META.json and the change log
# repeat it, because their readers do not run make.
. "$(dirname "$0")/lib.sh"
version=$(sed -nE "s/^default_version = '(.*)'/\1/p" spotai.control)
{
    grep -n '"version": "[0-9.]*"' META.json | grep -v '"1.0.0"' | grep -v "\"$version\"" | sed "s|^|META.json:|; s|$|  (spotai.control says $version)|" || true
    [ "$(sed -nE 's/^## ([0-9.]+).*/\1/p' CHANGELOG.md | head -1)" = "$version" ] ||
        echo "CHANGELOG.md: its first version is not $version"
    # nothing else carries it
    tracked_files 'src/*' 'migrations/code/*' 'migrations/schema/*' 'Makefile' | { xargs -r grep -nHF "'$version'" || true; }
} | report
