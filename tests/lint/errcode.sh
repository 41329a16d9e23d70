#!/bin/bash
# Every ereport that can end a statement carries an SQLSTATE.
. "$(dirname "$0")/lib.sh"
tracked_files 'src/pg/*.c' | xargs -r perl -0777 -ne '
    while (/\bereport\s*\(\s*(\w+)/g) {
        my ($level, $start) = ($1, $-[0]);
        next if $level =~ /^(LOG|INFO|NOTICE|WARNING|DEBUG\d|COMMERROR)$/;
        # to the matching parenthesis, over strings and characters
        my ($depth, $call) = (0, "");
        pos($_) = $start;
        while (/\G("(?:\\.|[^"\\])*"|\x27(?:\\.|[^\x27\\])*\x27|.)/gcs) {
            $call .= $1 if length $1 == 1;
            $depth++ if $1 eq "(";
            last if $1 eq ")" && --$depth == 0;
        }
        next if $call =~ /\berrcode(_for_file_access|_for_socket_access)?\s*\(/;
        my $line = 1 + (substr($_, 0, $start) =~ tr/\n//);
        print "$ARGV:$line: ereport($level) without errcode\n";
    }
' | report
