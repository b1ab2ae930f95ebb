#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# isolated.sh COMMAND…: runs COMMAND as root in a mount namespace of its own, with an empty TMPDIR,
# and fails when it leaves a mount, a loop device or a file behind.
set -euo pipefail

if [ "${1-}" != --inside ]; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -E env "PATH=$PATH" "HOME=$HOME")
    exec "${as_root[@]}" unshare --mount --propagation private "$0" --inside "$@"
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

before=$(present)
"$@" || exit # with its status; what a failure leaves is no second failure
if ! left=$(diff <(echo "$before") <(present)); then
    echo "isolated.sh: left behind (>) or taken away (<):" >&2
    echo "$left" | grep '^[<>]' >&2
    exit 1
fi
