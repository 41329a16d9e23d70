#!/bin/bash
# What .editorconfig says: no trailing blanks, LF, a final newline.
. "$(dirname "$0")/lib.sh"
tracked_files '*.[ch]' '*.sql' '*.sh' '*.pl' '*.pm' '*.py' '*.md' '*.json' '*.txt' '*.spec' 'Makefile' '*.control' |
    xargs -r perl -ne '
    print "$ARGV:$.: trailing blanks\n" if /[ \t]+\r?\n/;
    print "$ARGV:$.: carriage return\n" if /\r/;
    if (eof) { print "$ARGV:$.: no newline at the end\n" unless /\n\z/; close ARGV; }
' | report
