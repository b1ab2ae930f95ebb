#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# isolated.sh COMMAND…: runs COMMAND as root in a mount namespace of its own, with an empty TMPDIR,
# and fails when it leaves a mount, a loop device or a file behind. For drivers that want a filesystem
# of their own there is one, named by GRAPH_TEST_BTRFS, except in a user namespace, which makes none.
# Of the environment COMMAND gets what listed-env.sh lists.
set -euo pipefail

if [ "${1-}" != --inside ]; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -E env "PATH=$PATH" "HOME=$HOME")
    exec "${as_root[@]}" "$(dirname "$0")/listed-env.sh" machine \
        unshare --mount --propagation private "$0" --inside "$@"
fi
shift

TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/graph-tests.XXXXXX")
export TMPDIR
chmod 0711 "$TMPDIR" # the root of a user namespace passes through, see in-userns.sh

# Loop devices belong to the whole machine: only those over files in TMPDIR are ours.
loops() { losetup --list --noheadings --output NAME,BACK-FILE | grep -F "$TMPDIR/" || true; }
present() {
    sed 's/^/mount /' /proc/self/mountinfo
    loops | sed 's/^/loop /'
    find "$TMPDIR" -mindepth 1 -maxdepth 1 -printf 'file %p\n'
}

# Unmounts first, so that removing never reaches through a bind mount.
clean() {
    cut -d ' ' -f 5 /proc/self/mountinfo | grep -F "$TMPDIR/" | sort -r |
        while read -r point; do umount --lazy "$(printf %b "$point")"; done || true
    loops | while read -r device _; do losetup --detach "$device"; done
    rm -rf --one-file-system "$TMPDIR"
}
trap clean EXIT

if [ -z "${GRAPH_IN_USERNS-}" ]; then
    truncate --size 8G "$TMPDIR/btrfs.image"
    mkfs.btrfs -q "$TMPDIR/btrfs.image" >/dev/null
    export GRAPH_TEST_BTRFS=$TMPDIR/btrfs
    mkdir "$GRAPH_TEST_BTRFS"
    mount -o loop "$TMPDIR/btrfs.image" "$GRAPH_TEST_BTRFS"
    chmod 0711 "$GRAPH_TEST_BTRFS"
fi

before=$(present)
"$@" || exit # with its status; what a failure leaves is no second failure
if [ -n "${GRAPH_TEST_BTRFS-}" ]; then
    left=$(find "$GRAPH_TEST_BTRFS" -mindepth 1; btrfs subvolume list "$GRAPH_TEST_BTRFS")
    [ -z "$left" ] || { echo "isolated.sh: left on btrfs: $left" >&2; exit 1; }
fi
if ! left=$(diff <(echo "$before") <(present)); then
    echo "isolated.sh: left behind (>) or taken away (<):" >&2
    echo "$left" | grep '^[<>]' >&2
    exit 1
fi
