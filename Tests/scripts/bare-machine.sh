#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# bare-machine.sh [--base FILE] [demo] [test] [bench]: runs README's commands, word for word, on a Debian
# machine that has Swift and nothing else: a fresh minbase root in namespaces of its own, with an empty HOME
# and a clean clone of what is committed here. Of this machine it has the kernel and its devices, the
# toolchain, and the ways to packages (apt's sources and transport, git's rules for URLs, certificates).
# Prints the time of each command, and takes everything away. Without a name it runs `make demo`.
# --base keeps the root without packages in FILE between runs, for who works on this.
# Needs root, mmdebstrap, git, Swift, 8 GiB below TMPDIR (/var/tmp), and minutes.
set -euo pipefail
scripts=$(realpath "$(dirname "$0")")
tree=$(realpath "$scripts/../..")

if [ "${1-}" != --inside ]; then
    [ "$(id -u)" = 0 ] || { echo 'bare-machine.sh: needs root (a chroot, mounts, namespaces)' >&2; exit 1; }
    base='' names=()
    while [ $# -gt 0 ]; do
        case $1 in
        --base) base=$(realpath "$2") && shift ;;
        demo | test | bench) names+=("$1") ;;
        *) sed -n '5,12s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
        esac
        shift
    done
    work=$(mktemp -d "${TMPDIR:-/var/tmp}/graph-bare.XXXXXX")
    machine=
    # What was started there has the new root for its own. Not a process namespace: only from the first one
    # may mount namespaces be listed in which no process is, as on a machine.
    # shellcheck disable=SC2317 # called by the trap
    finish() {
        [ -z "$machine" ] || { kill "$machine" && wait "$machine"; } 2>/dev/null || true
        for process in /proc/[0-9]*; do
            [ ! "$process/root" -ef "$work/root" ] || kill -9 "${process#/proc/}" 2>/dev/null || true
        done
        losetup --list --noheadings --output NAME,BACK-FILE | { grep -F "$work/" || true; } |
            while read -r device _; do losetup --detach "$device"; done
        rm -rf --one-file-system "$work"
    }
    trap finish EXIT
    trap 'exit 143' TERM
    trap 'exit 130' INT
    "$scripts/listed-env.sh" machine unshare --mount --propagation private --ipc --uts --fork --kill-child \
        "$0" --inside "$work" "$base" "${names[@]:-demo}" </dev/null &
    machine=$!
    status=0
    wait "$machine" || status=$?
    machine=
    left=$(losetup --list --noheadings --output NAME,BACK-FILE | grep -F "$work/" || true)
    [ -z "$left" ] || { echo "bare-machine.sh: left attached: $left" >&2; status=1; }
    exit "$status"
fi
work=$2 base=$3
shift 3
root=$work/root
# shellcheck source=package-sources.sh
. "$scripts/package-sources.sh"

# A minimal Debian with this machine's ways to packages.
make_root() {
    local archive=${base:-$work/base.tar}
    if [ ! -s "$archive" ]; then
        transport_settings >"$work/transport.conf"
        debian_sources >"$work/sources.list"
        TMPDIR=$work "$scripts/listed-env.sh" debian mmdebstrap --quiet --variant=minbase --format=tar \
            --aptopt="$work/transport.conf" bookworm "$archive.new" - <"$work/sources.list"
        mv "$archive.new" "$archive"
    fi
    mkdir "$root"
    mount --bind "$root" "$root" # a root is a mount
    tar -C "$root" --xattrs --xattrs-include='*' --numeric-owner -xpf "$archive"
    find "$root/root" -mindepth 1 -delete
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    hostname bare
    echo bare >"$root/etc/hostname"
    echo '127.0.0.1 bare' >>"$root/etc/hosts"
    if [ -d /usr/local/share/ca-certificates ]; then cp -r /usr/local/share/ca-certificates "$root/usr/local/share/"; fi
}

# What a kernel and an init give a machine.
mount_kernel() {
    mount -t proc proc "$root/proc"
    mount --rbind --make-rslave /sys "$root/sys"
    mount --rbind --make-rslave /dev "$root/dev"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$root/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    mount -t tmpfs -o mode=0755 tmpfs "$root/run"
    mkdir -m 1777 "$root/run/lock"
}

# Read-only at another place than here: what has found this machine's way to it fails.
mount_toolchain() {
    local resources
    resources=$(swiftc -print-target-info | sed -n 's/^ *"runtimeResourcePath": "\(.*\)".*/\1/p')
    mkdir "$root/usr/local/swift"
    mount --bind "$(realpath "$resources/../..")" "$root/usr/local/swift"
    mount -o remount,bind,ro "$root/usr/local/swift"
}

# git's rules for the URLs of packages, with the directories of this machine that they name.
copy_url_rules() {
    local key value directory
    while IFS= read -rd '' key && IFS= read -rd '' value; do
        git config --file "$root/etc/gitconfig" --add "$key" "$value"
        directory=${key#url.} directory=${directory%.*} directory=${directory#file://}
        if [[ $directory != /* ]] || [ ! -d "$directory" ] || mountpoint -q "$root$directory"; then continue; fi
        mkdir -p "$root$directory"
        mount --bind "$directory" "$root$directory"
        mount -o remount,bind,ro "$root$directory"
    done < <(git_url_rules)
}

# The commands of README's "Try it", without what is said about them.
commands_of_readme() {
    sed -n '/^## Try it$/,/^## /p' "$tree/README.md" | sed -n '/^```console$/,/^```$/s/^[#$] //p' | sed 's/   *#.*//'
}

# The root becomes that of the namespace: a process in a chroot makes no user namespace.
enter_root() {
    cd "$root"
    pivot_root . mnt
    cd /
    umount --lazy /mnt
}

started=$SECONDS
make_root
mount_kernel
mount_toolchain
copy_url_rules
home=/usr/src/graph-storage
git -c advice.detachedHead=false clone -q --no-local "$tree" "$root$home"
times=("$((SECONDS - started)) s  (a bare root)")
mapfile -t commands < <(commands_of_readme)
for name; do
    printf '%s\n' "${commands[@]}" | grep -qxF "make $name" ||
        { echo "bare-machine.sh: README.md does not say \"make $name\"" >&2; exit 1; }
done
enter_root
for command in "${commands[@]}"; do
    if [[ $command = 'make '* && " $* " != *" ${command#make } "* ]]; then continue; fi
    printf '\n==== on a bare machine: %s ====\n' "$command"
    start=$SECONDS
    "$home/Tests/scripts/listed-env.sh" tree=/ env -u DEBIAN_FRONTEND \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/swift/bin \
        bash -c "cd $home && $command" ||
        { echo "bare-machine.sh: \"$command\" of README.md failed on a bare machine" >&2; exit 1; }
    times+=("$((SECONDS - start)) s  $command")
done
printf '\nOn a bare machine:\n'
printf '  %s\n' "${times[@]}"
