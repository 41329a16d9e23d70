# shellcheck shell=bash
# scripts/lib.sh: sourced by the other scripts.  Packages, the choice of a
# server version, private clusters.
#
# A cluster of ours lives in build/NAME, listens on no network, keeps its socket
# in a folder that only its owner can enter (that folder is the access control:
# local connections are trusted) and never meets a cluster of the system.
# PostgreSQL refuses to run as root, so root runs it as the user postgres.

set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$ROOT"
export LC_ALL=C.UTF-8 PSQLRC=/dev/null PGTZ=UTC
unset PGHOST PGPORT PGUSER PGDATABASE PGOPTIONS PGSERVICE CDPATH MAKEFLAGS MFLAGS MAKELEVEL

die() { printf '%s: %s\n' "$(basename "$0")" "$1" >&2; shift; printf '  %s\n' "$@" >&2; exit 1; }
am_root() { [ "$(id -u)" = 0 ]; }

# --- the server -------------------------------------------------------------

# Path of pg_config: $PG_CONFIG, or the newest version that is installed whole.
find_pg_config() {
    if [ -n "${PG_CONFIG:-}" ]; then
        command -v "$PG_CONFIG" || die "PG_CONFIG=$PG_CONFIG does not exist"
        return
    fi
    local found
    for found in $(printf '%s\n' /usr/lib/postgresql/*/bin/pg_config | sort -rV) pg_config; do
        if [ -x "$found" ] && [ -x "$(dirname "$found")/postgres" ]; then
            echo "$found"
            return
        fi
    done
    return 1
}

# Major version to build for: what is installed, otherwise what the
# distribution calls "postgresql".
pg_major() {
    local config
    if config=$(find_pg_config); then
        "$config" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/'
    else
        apt-cache depends postgresql 2>/dev/null | sed -nE 's/^ *Depends: postgresql-([0-9]+)$/\1/p' | head -1
    fi
}

# After need_packages: PG_CONFIG, PG_BIN and PG_MAJOR for everybody.
use_server() {
    PG_CONFIG=$(find_pg_config) || die "there is no PostgreSQL server here"
    PG_BIN=$("$PG_CONFIG" --bindir)
    PG_MAJOR=$(pg_major)
    export PG_CONFIG
}

# --- packages ---------------------------------------------------------------

# The lines of the named sections of packages.txt.
listed_packages() {
    local section
    for section in "$@"; do
        sed -n "/^\[$section\]/,/^\[/{/^[a-z]/p}" scripts/packages.txt
    done
}

is_installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q '^install ok installed'; }

# Reads "a | b" lines, prints those of which nothing is installed.
missing_packages() {
    local line name major
    major=$(pg_major)
    while read -r line; do
        line=${line//@PG@/${major:-@PG@}}
        for name in ${line//|/ }; do
            is_installed "$name" && continue 2
        done
        echo "$line"
    done
}

# The first of the alternatives that the archive has.
available_package() {
    local name
    for name in ${1//|/ }; do
        if apt-cache show "$name" > /dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
    echo "${1%% *}"
}

# Prefix that makes a command run as root; fails when there is no way.
root_prefix() {
    if am_root; then
        return 0
    elif command -v sudo > /dev/null; then
        echo sudo
    else
        return 1
    fi
}

# Debian makes and starts a cluster "main" with the first server package.  We
# do not want one, so a drop-in says no for as long as our installation lasts.
apt_install() {
    local sudo=$1 dropin=/etc/postgresql-common/createcluster.d/spotai-no-main.conf status=0
    shift
    local apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq"
    if ! is_installed postgresql-common; then
        $apt install -y --no-install-recommends postgresql-common
    fi
    $sudo mkdir -p "$(dirname $dropin)"
    echo 'create_main_cluster = false' | $sudo tee $dropin > /dev/null
    $apt install -y --no-install-recommends "$@" || status=$?
    $sudo rm -f $dropin
    return $status
}

# need_packages SECTION...: installs what is missing, or says what it would need.
need_packages() {
    local missing sudo names=() line log=build/logs/packages.log
    missing=$(listed_packages "$@" | missing_packages)
    [ -n "$missing" ] || return 0
    command -v apt-get > /dev/null ||
        die "these packages are missing, and only apt-get is known here" "$missing"
    sudo=$(root_prefix) ||
        die "packages are missing, and neither root nor sudo is at hand; as root, run" \
            "apt-get update && apt-get install --no-install-recommends $(echo "$missing" | sed 's/ *|.*//' | tr '\n' ' ')"
    mkdir -p build/logs
    printf '  packages  installing %s(log: %s)\n' "$(echo "$missing" | sed 's/ *|.*//' | tr '\n' ' ')" "$log"
    $sudo apt-get -qq update > "$log" 2>&1 || { tail -20 "$log"; die "apt-get update failed"; }
    while read -r line; do
        names+=("$(available_package "$line")")
    done <<< "$(listed_packages "$@" | missing_packages)"
    apt_install "$sudo" "${names[@]}" >> "$log" 2>&1 || { tail -20 "$log"; die "apt-get install failed"; }
}

# --- who runs the server, and where -----------------------------------------

# as_pg COMMAND...: as the user that owns the clusters.  From /, because that
# user may not be allowed to stand where root stands; so give absolute paths.
as_pg() {
    if am_root; then
        (cd / && exec runuser -u postgres -- env HOME=/tmp "$@")
    else
        (cd / && exec "$@")
    fi
}

# private_dir NAME: an absolute path for build/NAME that the cluster's owner
# owns and can reach.  Where that user cannot get into this tree (a clone under
# /root), the folder is made under /var/tmp and build/NAME links to it.
private_dir() {
    local dir=$ROOT/build/$1
    mkdir -p "$ROOT/build"
    if [ ! -e "$dir" ]; then
        rm -f "$dir"
        if as_pg test -x "$ROOT/build"; then
            mkdir -m 700 "$dir"
        else
            ln -s "$(mktemp -d "/var/tmp/spotai-$1.XXXXXX")" "$dir"
        fi
        if am_root; then chown postgres: "$dir/."; fi
    fi
    readlink -f "$dir"
}

remove_private_dir() {
    local dir=$ROOT/build/$1
    if [ -L "$dir" ]; then rm -rf "$(readlink -f "$dir")"; fi
    rm -rf "$dir"
}

# --- private clusters -------------------------------------------------------

# Where the socket is.  A socket's path may have 107 bytes; 20 of them are the
# name /.s.PGSQL.5432 and room for its lock.
cluster_socket_dir() {
    local dir
    dir=$(private_dir "$1")
    if [ ! -e "$dir/sock" ]; then
        rm -f "$dir/sock"
        if [ $((${#dir} + 5 + 20)) -le 107 ]; then
            as_pg mkdir -m 700 "$dir/sock"
        else
            as_pg ln -s "$(as_pg mktemp -d /tmp/spotai.XXXXXX)" "$dir/sock"
        fi
    fi
    readlink -f "$dir/sock"
}

# cluster_create NAME [SETTING...]: settings are lines of postgresql.conf, read
# again at each start.  Data that exists is kept.
cluster_create() {
    local name=$1 dir sock
    shift
    dir=$(private_dir "$name")
    sock=$(cluster_socket_dir "$name")
    if [ -f "$dir/data/PG_VERSION" ] && [ "$(cat "$dir/data/PG_VERSION")" != "$PG_MAJOR" ]; then
        die "build/$name holds data of PostgreSQL $(cat "$dir/data/PG_VERSION"), but the server is $PG_MAJOR" \
            "Set PG_CONFIG to the older version, or remove build/$name."
    fi
    if [ ! -f "$dir/data/PG_VERSION" ]; then
        as_pg "$PG_BIN/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-instructions \
            > build/logs/initdb.log 2>&1 || { cat build/logs/initdb.log; die "initdb failed"; }
        echo "include 'spotai.conf'" | as_pg tee -a "$dir/data/postgresql.conf" > /dev/null
    fi
    {
        echo "listen_addresses = ''"
        echo "unix_socket_directories = '$sock'"
        echo "unix_socket_permissions = 0700"
        echo "shared_preload_libraries = 'spotai'"
        printf '%s\n' "$@"
    } | as_pg tee "$dir/data/spotai.conf" > /dev/null
}

# A throw-away cluster: durability is off, so that tests are quick.
cluster_create_scratch() {
    local name=$1
    shift
    cluster_stop "$name"
    remove_private_dir "$name"
    cluster_create "$name" "fsync = off" "synchronous_commit = on" "full_page_writes = off" \
        "shared_buffers = 64MB" "max_wal_size = 4GB" "log_line_prefix = '%m [%p] %d '" "$@"
}

cluster_running() {
    [ -f "$ROOT/build/$1/data/PG_VERSION" ] || return 1
    as_pg "$PG_BIN/pg_ctl" -D "$(private_dir "$1")/data" status > /dev/null 2>&1
}

cluster_start() {
    local dir
    dir=$(private_dir "$1")
    as_pg "$PG_BIN/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 start > /dev/null ||
        { as_pg tail -20 "$dir/log"; die "the cluster build/$1 did not start"; }
}

cluster_stop() {
    if cluster_running "$1"; then
        as_pg "$PG_BIN/pg_ctl" -D "$(private_dir "$1")/data" -m fast -w stop > /dev/null
    fi
}

# sql NAME [psql option...]: psql as superuser of build/NAME, stopping at errors.
sql() {
    local name=$1
    shift
    as_pg "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -h "$(cluster_socket_dir "$name")" -U postgres "$@"
}

# --- tests in Perl ----------------------------------------------------------

pgxs_dir() { dirname "$(dirname "$("$PG_CONFIG" --pgxs)")" | sed 's|/src$||'; }

# A copy of what tests read, which the user that runs the server can reach.
stage() {
    local dir part
    dir=$(private_dir stage)
    rm -rf "${dir:?}"/*
    mkdir -p "$dir/results" "$dir/isolation" "$dir/demo"
    for part in sql expected tests scripts migrations docs demo/song; do
        if [ -d $part ]; then cp -a $part "$dir/$(dirname $part)/"; fi
    done
    if am_root; then chown -R postgres: "$dir"; fi
    echo "$dir"
}

# in_tap STAGE COMMAND...: in that copy, with what PostgreSQL's test framework wants.
in_tap() {
    local dir=$1 test
    shift
    test=$(pgxs_dir)/src/test
    as_pg bash -c 'cd "$1" && shift && exec "$@"' - "$dir" env \
        PG_CONFIG="$PG_CONFIG" PATH="$PG_BIN:$PATH" SPOTAI_SHARED="${SPOTAI_SHARED:-}" PG_REGRESS="$test/regress/pg_regress" \
        TESTDIR="$dir" TESTDATADIR="$dir/tmp_check" TESTLOGDIR="$dir/tmp_check/log" \
        PERL5LIB="$dir/tests/tap/lib:$test/perl" "$@"
}

# --- the build --------------------------------------------------------------

# What programs of the core are linked with; the Makefile says.
core_libs() { sed -nE 's/^CORE_LIBS *= *//p' Makefile; }

build() { make -j"$(nproc)" -s PG_CONFIG="$PG_CONFIG" all; }

# Into the directories of pg_config, with sudo when they are not ours.
install_extension() {
    local sudo=""
    if ! [ -w "$("$PG_CONFIG" --pkglibdir)" ]; then
        sudo=$(root_prefix) ||
            die "installing needs write access to $("$PG_CONFIG" --pkglibdir), and neither root nor sudo is at hand" \
                "as root, run: make install PG_CONFIG=$PG_CONFIG"
    fi
    $sudo make -s PG_CONFIG="$PG_CONFIG" install
}
