#!/bin/bash
# make docs: the reference pages, from the catalog of a scratch server.  "check"
# only tells whether the pages in docs/ are what would be written.
. "$(dirname "$0")/lib.sh"

# Which routine is declared in which module: place, room, what it is about, routine.
rooms() {
    local file place about
    for file in migrations/code/[0-9]*.sql; do
        place=$(basename "$file" | cut -d_ -f1)
        about=$(sed -nE "1s/^-- [a-z]+: //p" "$file" | sed "s/'/''/g")
        grep -oE '^CREATE (FUNCTION|PROCEDURE|AGGREGATE) spotai\.\w+' "$file" | sed 's/.*\.//' | sort -u |
            sed "s|.*|INSERT INTO room VALUES ('$place', '$(basename "$file" .sql | cut -d_ -f2-)', initcap(left('$about', 1)) \|\| substr('$about', 2), '&');|" || true
    done
}

# settings_page TABLE_FILE: docs/configuration.md with its table replaced.
settings_page() {
    awk -v table="$1" '
        /<!-- settings: end -->/ { skip = 0 }
        !skip { print }
        /<!-- settings: begin/ { skip = 1; while ((getline row < table) > 0) print row }
    ' docs/configuration.md
}

generate() {
    local to=$1
    mkdir -p "$to"
    cluster_create_scratch docs "log_min_messages = warning"
    cluster_start docs
    sql docs -c 'CREATE DATABASE docs' postgres
    sql docs -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION spotai' -c 'CALL spotai.migrate()' docs
    { echo 'CREATE TEMP TABLE room (place text, name text, about text, routine text);'; rooms
        cat scripts/docs/api_reference.sql; } | sql docs -At docs > "$to/api_reference.md"
    sql docs -At docs < scripts/docs/database_schema.sql > "$to/database_schema.md"
    # loads the library, so that its settings are known
    { echo "LOAD 'spotai';"; cat scripts/docs/settings.sql; } | sql docs -At docs > "$to/settings"
    settings_page "$to/settings" > "$to/configuration.md"
    cluster_stop docs
    remove_private_dir docs
}

main() {
    local page stale=0
    mkdir -p build/logs
    need_packages build
    use_server
    build
    install_extension > build/logs/install.log
    generate build/docs-new
    for page in api_reference database_schema configuration; do
        if cmp -s "build/docs-new/$page.md" "docs/$page.md"; then
            echo "docs/$page.md is fresh"
        elif [ "${1:-}" = check ]; then
            echo "docs/$page.md is stale: run make docs and commit it"
            diff -u "docs/$page.md" "build/docs-new/$page.md" | head -40 || true
            stale=1
        else
            cp "build/docs-new/$page.md" "docs/$page.md"
            echo "docs/$page.md written"
        fi
    done
    return $stale
}

main "$@"
