# shellcheck shell=bash
# scripts/chroot.sh: sourced after lib.sh by scripts that try spotai in another
# Debian.  Roots are made by debootstrap from the mirror that apt already uses,
# and entered in a mount namespace of their own, so no mount stays behind.

need_root() { am_root || die "this needs root, for debootstrap and chroot" "run it as root, or: sudo make $1"; }

# The archive that this machine's apt is configured for.
debian_mirror() {
    local mirror
    mirror=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' | sed -nE 's/^Debian (http\S*[^/])\/?$/\1/p' | grep -v security | head -1)
    [ -n "$mirror" ] || die "apt knows no Debian mirror (apt-get update has not been run?)"
    echo "$mirror"
}

# make_root DIR SUITE [PACKAGE,...]: a minimal Debian, kept if it is complete.
make_root() {
    local dir=$1 suite=$2 include=${3:-}
    [ ! -f "$dir/.complete" ] || return 0
    rm -rf --one-file-system "${dir:?}"
    mkdir -p "$dir"
    debootstrap --variant=minbase ${include:+--include="$include"} "$suite" "$dir" "$(debian_mirror)" > "$dir.log" 2>&1 ||
        { tail -20 "$dir.log"; die "debootstrap $suite failed ($dir.log)"; }
    # the way out is the same as this machine's
    cp -L /etc/resolv.conf /etc/hosts "$dir/etc/"
    apt-config dump | grep -iE '^Acquire::(https?|ftp)::Proxy' > "$dir/etc/apt/apt.conf.d/90proxy" || true
    # mirrors may lag; debootstrap has checked the signature
    if [ "$suite" = sid ]; then echo 'Acquire::Check-Valid-Until "false";' > "$dir/etc/apt/apt.conf.d/90lag"; fi
    touch "$dir/.complete"
}

# in_root DIR COMMAND...: with /proc, /dev and /dev/shm, and nothing of our
# environment but the locale.
in_root() {
    local dir=$1
    shift
    unshare --mount --propagation private bash -euc '
        dir=$1; shift
        mount -t proc proc "$dir/proc"
        mount --bind /dev "$dir/dev"
        mount -t tmpfs -o mode=1777 tmpfs "$dir/dev/shm"
        exec chroot "$dir" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root "$@"
    ' - "$dir" "$@"
}

# copy_tree DIR: what is under version control, as a clone would have it.
copy_tree() {
    rm -rf "$1"
    mkdir -p "$1"
    git ls-files -z --cached --others --exclude-standard | xargs -0 ls -d 2> /dev/null | tar -cf - -T - | tar -xf - -C "$1" --no-same-owner
}
