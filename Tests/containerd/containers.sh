#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# containers.sh [DRIVER…]: containerd and runc work on snapshots of graphd, on overlay, vfs and btrfs where no driver is
# named. First what the daemon does with a socket: it says when it serves, a second one is refused by the number of the
# first, and a path that is too long is refused. Then an image is imported, a container runs and writes, graphd is
# killed while another one lives, what the first wrote is containerd's diff and a layer on which a container runs, the
# image is mounted, and when all is removed containerd's garbage collection has taken every snapshot away. GRAPHD and
# GRAPHCTL are the programs to test, GRAPH_TEST_IMAGE a layout with the Debian image. As root, called by isolated.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- overlay vfs btrfs
GRAPHD=$(realpath "${GRAPHD:-.build/release/graphd}")
GRAPHCTL=$(realpath "${GRAPHCTL:-.build/static/release/graphctl}")
work=$(mktemp -d "${TMPDIR:-/tmp}/graph-containerd.XXXXXX")
short=$(mktemp -d /run/graphd.XXXXXX) # a socket's path has at most 107 bytes
daemons=() store=

# shellcheck disable=SC2317 # called by the trap
finish() {
    local status=$?
    [ "$status" = 0 ] || tail -n 30 "$work"/*.log >&2 || :
    for daemon in "${daemons[@]}"; do kill "$daemon" 2>/dev/null && wait "$daemon" || :; done
    awk -v "a=$work/" -v "b=$short/" 'index($5, a) == 1 || index($5, b) == 1 { print $5 }' /proc/self/mountinfo |
        tac | xargs -rn 1 umount -l
    [ ! -e "${store:-none}" ] || remove_store
    rm -rf --one-file-system "$work" "$short"
}
trap finish EXIT

fail() { echo "containers.sh: $*" >&2; exit 1; }
ctr() { command ctr --address "$short/containerd.sock" "$@"; }
graph() { "$GRAPHCTL" --root "$store" --run-root "$short/graph" "$@"; }

# What a driver made is not always a plain directory.
remove_store() {
    graph ls -q | tac | xargs -r "$GRAPHCTL" --root "$store" --run-root "$short/graph" rm >/dev/null
    rm -rf --one-file-system "$store"
    store=
}

# Returns when the daemon has told that it serves: the socket of a killed one is there before that.
start_graphd() { # DRIVER
    rm -f "$short/notify"
    python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); s.settimeout(30); print(s.recv(64).decode())' \
        "$short/notify" >"$work/notified" &
    local listener=$!
    wait_for "$short/notify"
    NOTIFY_SOCKET=$short/notify "$GRAPHD" --root "$store" --run-root "$short/graph" \
        --address "$short/graphd.sock" --driver "$1" --log-level debug 2>>"$work/graphd.log" &
    graphd=$!
    daemons=("$graphd" "${daemons[@]:1}")
    wait "$listener" || fail 'the daemon does not say that it serves'
    expect 'the daemon says' "$(cat "$work/notified")" READY=1
    expect 'the mode of the socket' "$(stat -c %a "$short/graphd.sock")" 600
}

# What it refuses, and that it serves on.
check_socket() {
    local long
    long=$short/$(printf 'x%.0s' $(seq 120))
    ! "$GRAPHD" --root "$store" --run-root "$short/other" --address "$short/graphd.sock" 2>"$work/refused" ||
        fail 'a second daemon serves at the same socket'
    grep -q "process $graphd serves there" "$work/refused" || fail "the second daemon says: $(cat "$work/refused")"
    ! "$GRAPHD" --root "$store" --run-root "$short/other" --address "$long" 2>"$work/refused" ||
        fail 'a socket has too long a path'
    grep -q 'File name too long' "$work/refused" || fail "of a path that is too long it says: $(cat "$work/refused")"
    kill -0 "$graphd" || fail 'the first daemon has ended'
}

wait_for() {
    for _ in $(seq 100); do
        [ ! -S "$1" ] || return 0
        sleep 0.1
    done
    fail "there is no $1"
}

start_containerd() {
    {
        printf '%s = "%s"\n' root "$work/containerd" state "$short/state"
        echo 'disabled_plugins = ["io.containerd.grpc.v1.cri"]'
        "$GRAPHD" containerd-config --root "$store" --address "$short/graphd.sock"
        printf '[grpc]\naddress = "%s"\n' "$short/containerd.sock"
    } >"$work/config.toml"
    containerd --config "$work/config.toml" 2>>"$work/containerd.log" &
    daemons+=("$!")
    wait_for "$short/containerd.sock"
}

expect() { # WHAT IS WANTED
    [ "$2" = "$3" ] || fail "$1: \"$2\", not \"$3\""
}

run() { # NAME COMMAND…
    local name=$1
    shift
    ctr run --rm --snapshotter graph "${image:?}" "$name" "$@"
}

check_driver() { # DRIVER
    local snapshots
    echo "$1: import"
    ctr images import --snapshotter graph --base-name local/debian "$work/image.tar" >"$work/import.log"
    image=$(ctr images ls -q)
    expect 'images' "$(wc -l <<<"$image")" 1
    ctr images check --snapshotter graph | grep -qE ' true *$' || fail 'the image is not unpacked'
    echo "$1: run"
    expect 'a container says' "$(run first /bin/sh -c 'echo hello; cat /etc/debian_version >/tmp/version')" hello
    ctr run --snapshotter graph "$image" kept /bin/sh -c 'echo kept >/kept; rm /etc/motd; sync'
    expect 'a key and its size' "$(ctr snapshots --snapshotter graph usage kept |
        awk 'NR == 2 { print $1, ($2 > 0) }')" 'kept 1'
    ctr snapshots --snapshotter graph diff kept | tar -tzf - >"$work/names"
    for name in kept etc/.wh.motd; do grep -qx "$name" "$work/names" || fail "the diff has no $name"; done
    echo "$1: killed while a container lives"
    ctr run -d --snapshotter graph "$image" long /bin/sleep 600
    kill -KILL "$graphd"
    wait "$graphd" 2>/dev/null || :
    start_graphd "$1"
    ctr task exec --exec-id 1 long /bin/sh -c 'echo still >/still; cat /still' >"$work/said"
    expect 'a container that lived on says' "$(cat "$work/said")" still
    ctr task kill -s KILL long
    for _ in $(seq 50); do ! ctr task ls | grep -q '^long.*RUNNING' || sleep 0.1; done
    ctr task rm long >/dev/null 2>&1 || :
    ctr container rm long
    echo "$1: commit"
    ctr snapshots --snapshotter graph commit changed kept
    ctr snapshots --snapshotter graph ls >"$work/snapshots"
    grep -q '^changed .*Committed' "$work/snapshots" || fail "no committed snapshot: $(cat "$work/snapshots")"
    ctr snapshots --snapshotter graph prepare on-changed changed >/dev/null
    mkdir -p "$work/mounted"
    # It prints the calls of mount(8).
    bash -euc "$(ctr snapshots --snapshotter graph mounts "$work/mounted" on-changed)"
    expect 'the container left' "$(cat "$work/mounted/kept")" kept
    [ ! -e "$work/mounted/etc/motd" ] || fail 'what the container removed is there'
    expect 'a container on it says' "$(ctr run --rm --rootfs "$work/mounted" second /bin/cat /kept)" kept
    umount "$work/mounted"
    expect 'what check finds' "$(graph check --deep)" ''
    [ "$(graph ls -q | wc -l)" -ge 5 ] || fail 'there are fewer layers than were made'
    echo "$1: images mount"
    mkdir -p "$work/image"
    ctr images mount --snapshotter graph "$image" "$work/image" >/dev/null
    [ -e "$work/image/etc/debian_version" ] || fail 'the image is not mounted'
    ctr images unmount "$work/image" >/dev/null
    echo "$1: remove"
    ctr snapshots --snapshotter graph rm on-changed
    ctr container rm kept
    ctr snapshots --snapshotter graph rm changed 2>/dev/null || :
    ctr snapshots --snapshotter graph rm "$work/image" 2>/dev/null || :
    ctr images rm --sync "$image" >/dev/null
    for _ in $(seq 50); do
        snapshots=$(ctr snapshots --snapshotter graph ls | tail -n +2)
        [ -n "$snapshots" ] || break
        ctr content prune references >/dev/null 2>&1 || :
        sleep 0.2
    done
    expect 'snapshots that are left' "$snapshots" ''
    expect 'layers that are left' "$(graph ls -q)" ''
    expect 'what check finds in the end' "$(graph check)" ''
}

# One layer of real size, as an archive that containerd reads.
tar -C "${GRAPH_TEST_IMAGE:?}" -cf "$work/image.tar" .
for driver; do
    start=$SECONDS
    base=$work
    [ "$driver" != btrfs ] || base=$GRAPH_TEST_BTRFS
    store=$base/store
    daemons=('')
    start_graphd "$driver"
    check_socket
    start_containerd
    check_driver "$driver"
    for daemon in "${daemons[@]}"; do kill "$daemon" && wait "$daemon" || :; done
    [ ! -e "$short/graphd.sock" ] || fail 'the socket is left'
    daemons=()
    remove_store
    rm -rf --one-file-system "$work/containerd" "$short/state"
    echo "containerd's containers on $driver: done in $((SECONDS - start)) seconds"
done
