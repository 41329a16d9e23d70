#!/bin/bash
# Functions of at most 120 lines, files of at most 800.
. "$(dirname "$0")/lib.sh"
tracked_files 'src/*.[ch]' 'tests/*.[ch]' | xargs -r awk '
    function lines_of(file, n) { if (n > 800) print file ": " n " lines, 800 is the ceiling: split by subject" }
    FNR == 1 { lines_of(file, n); file = FILENAME; open = 0 }
    { n = FNR }
    /^{/ { open = FNR; name = above }
    /^}/ && open {
        length_ = FNR - open - 1
        if (length_ > 120)
            print FILENAME ":" open ": " length_ " lines in " name ", 120 is the ceiling"
        else if (length_ > 80)
            print FILENAME ":" open ": note: " length_ " lines in " name > "/dev/stderr"
        open = 0
    }
    /^[a-z_A-Z].*\(/ { above = $0; sub(/\(.*/, "", above); sub(/.*[ *]/, "", above) }
    END { lines_of(file, n) }
' | report
