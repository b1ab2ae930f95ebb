#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# power-cuts.sh COUNT [CONFIGURATION…]: takes COUNT images of what a power cut would leave of a store in which
# three processes work, for each configuration, and looks into each as the next start of the machine would.
# A configuration is DRIVER-FILESYSTEM, or DRIVER-FILESYSTEM-open for programs that keep the store open.
#
# The store's filesystem is an image on a loop device, and the image lies on xfs: a copy by reflink has what
# was written to the device at one moment, and nothing of what the kernel had still in memory. Mounting the
# copy replays its journal. Then, with a run root of its own: no commit that was told to its caller is missing,
# `check --deep` finds nothing, every layer is mounted, and `gc` finds nothing to clear.
# As root. GRAPHCTL is the command to test, BUNDLE the test bundle with the program, GRAPH_TEST_SEED the seed.
set -euo pipefail
cd "$(dirname "$0")/../.."
GRAPHCTL=${GRAPHCTL:-$PWD/.build/debug/graphctl}
seed=${GRAPH_TEST_SEED:-$$}

# One process at work on the store below $work/mounted, until $work/stop is there. Each commit and each
# removal that begins is a line of the journal, which the power cut does not reach.
if [ "${1-}" = --work ]; then
    work=$2 driver=$3 name=$4 RANDOM=$5
    graph() {
        while [ -e "$work/pause" ]; do sleep 0.02; done
        "$GRAPHCTL" --root "$work/mounted/root" --run-root "$work/run" --driver "$driver" "$@" 2>>"$work/log"
    }
    set +e # what is refused is refused: others remove what this one builds on
    for ((round = 0; ; round++)); do
        [ ! -e "$work/stop" ] || exit 0
        id=$name-$round
        base=$(graph ls -q | grep -v -- - | shuf -n 1)
        case $((RANDOM % 4)) in
        0) id=$(graph apply --id "a${name}x$round" "$work/layer-$((RANDOM % 3)).tar") && echo "commit $id" >>"$work/journal" ;;
        1) graph create --id "$id" ${base:+--parent "$base"} >/dev/null ;;
        2 | 3)
            graph create --id "$id" ${base:+--parent "$base"} >/dev/null || continue
            place=$(graph mount "$id") || continue
            head -c $((RANDOM * 8)) /dev/urandom >"$place/$name-$RANDOM"
            graph unmount "$id" >/dev/null
            graph commit "$id" --id "c${name}x$round" >/dev/null && echo "commit c${name}x$round" >>"$work/journal"
            ;;
        esac
        if [ "$(graph ls -q | wc -l)" -gt 12 ]; then
            old=$(graph ls -q | shuf -n 1)
            echo "remove $old" >>"$work/journal"
            graph rm "$old" >/dev/null
        fi
    done
fi

count=$1
shift
[ $# -gt 0 ] || set -- overlay-ext4 overlay-xfs vfs-xfs btrfs-btrfs overlay-ext4-open
work=$(mktemp -d "${TMPDIR:-/tmp}/graph-cuts.XXXXXX")
workers=()
# shellcheck disable=SC2317 # called by the trap
finish() {
    touch "$work/disk/stop" 2>/dev/null || :
    rm -f "$work/disk/pause"
    for worker in "${workers[@]}"; do kill "$worker" 2>/dev/null || :; wait "$worker" 2>/dev/null || :; done
    unmount_below "$work"
    rm -rf --one-file-system "$work"
}
unmount_below() {
    local point
    awk -v "below=$1/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | tac | while read -r point; do
        umount "$point" 2>/dev/null || umount -l "$point" || :
    done
}
trap finish EXIT
fail() {
    echo "power-cuts.sh: $configuration, cut $cut of $count, GRAPH_TEST_SEED=$seed: $*" >&2
    [ -z "${GRAPH_KEEP-}" ] || { mkdir -p "$GRAPH_KEEP" && cp --sparse=always "$disk/cut" "$GRAPH_KEEP/"; }
    exit 1
}

truncate -s 16G "$work/xfs"
mkfs.xfs -q "$work/xfs"
mkdir "$work/disk"
mount -o loop "$work/xfs" "$work/disk"

# Looks into what a cut left.
inspect() {
    local options=noatime place view found id
    [ "$filesystem" != xfs ] || options=nouuid
    mount -o "loop,$options" "$disk/cut" "$disk/after" || fail "the image does not mount"
    after() { "$GRAPHCTL" --root "$disk/after/root" --run-root "$disk/after-run" --driver "$driver" "$@"; }
    if [ -s "$disk/after/root/graph.db" ]; then
        after ls --json >"$disk/list" 2>"$disk/opening" || fail "ls: $(cat "$disk/opening")"
        ! grep -v 'was cut after\|cleared an interrupted' "$disk/opening" || fail "the opening warns"
        made=$((made + $(grep -c 'was cut after' "$disk/opening" || :)))
        found=$(after check --deep 2>&1) || fail "check: $found"
        [ -z "$found" ] || fail "check: $found"
        jq -r '.[].id' "$disk/list" >"$disk/ids"
        while read -r id; do grep -qx "$id" "$disk/ids" || fail "committed layer $id is gone"; done <"$disk/told"
        for id in $(jq -r '.[] | select(.kind != "committed") | .id' "$disk/list"); do
            after mount "$id" >/dev/null || fail "mount of $id"
            after unmount "$id" >/dev/null || fail "unmount of $id"
        done
        for id in $(jq -r '.[] | select(.kind == "committed") | .id' "$disk/list" | shuf -n 4); do
            view=$(after view --parent "$id") || fail "view of $id"
            place=$(after mount "$view") || fail "mount of $id"
            [ -z "$(find "$place" -type f -size 0)" ] || fail "$id has empty files"
            after unmount "$view" >/dev/null && after rm "$view" >/dev/null || fail "unmount of $id"
        done
        after gc >/dev/null || fail gc
        found=$(after gc --dry-run 2>&1 | grep -v '^The kernel has still to free' || :)
        [ -z "$found" ] || fail "gc left: $found"
        found=$(after check 2>&1) || fail "check: $found"
        [ -z "$found" ] || fail "check: $found"
    fi
    unmount_below "$disk/after-run"
    umount "$disk/after"
    rm -rf "$disk/after-run"
}

for configuration in "$@"; do
    IFS=- read -r driver filesystem kind <<<"$configuration"
    start=$SECONDS cut=0 made=0 disk=$work/disk
    mkdir -p "$disk/mounted" "$disk/after"
    truncate -s 1G "$disk/image"
    "mkfs.$filesystem" -q "$disk/image" >/dev/null
    mount -o loop "$disk/image" "$disk/mounted"
    : >"$disk/journal"
    for layer in 0 1 2; do tar -cf "$disk/layer-$layer.tar" -C docs "$(ls docs | sed -n "$((layer + 1))p")" drivers; done
    workers=()
    for worker in 1 2 3; do
        if [ "$kind" = open ]; then
            GRAPH_CUT_FOLDER=$disk GRAPH_CUT_DRIVER=$driver GRAPH_TEST_SEED=$((seed + worker)) NO_COLOR=1 \
                "${BUNDLE:-$(echo "$PWD"/.build/release/*PackageTests.xctest)}" --testing-library swift-testing \
                --filter 'PowerCutWorkerTests' >"$disk/worker-$worker" 2>&1 &
        else
            "$0" --work "$disk" "$driver" "w$worker" "$((seed % 30000 + worker))" &
        fi
        workers+=($!)
    done
    RANDOM=$((seed % 32768))
    until [ "$(wc -l <"$disk/journal")" -ge 6 ]; do
        for worker in "${workers[@]}"; do
            kill -0 "$worker" 2>/dev/null || fail "a worker ended: $(cat "$disk"/worker-* "$disk/log" || :)"
        done
        sleep 0.1
    done
    while [ "$cut" -lt "$count" ]; do
        cut=$((cut + 1))
        sleep "0.$((RANDOM % 500 + 100))"
        grep '^commit' "$disk/journal" >"$disk/before" || :
        cp --reflink=always "$disk/image" "$disk/cut"
        grep '^remove' "$disk/journal" | cut -d ' ' -f 2 >"$disk/removed" || :
        cut -d ' ' -f 2 "$disk/before" | grep -vxFf "$disk/removed" >"$disk/told" || :
        touch "$disk/pause" # for the look to take less time
        inspect
        rm "$disk/cut" "$disk/pause"
    done
    touch "$disk/stop"
    rm -f "$disk/pause"
    for worker in "${workers[@]}"; do wait "$worker" || { cat "$disk"/worker-* >&2; fail "a worker failed"; }; done
    workers=()
    committed=$(grep -c '^commit' "$disk/journal")
    unmount_below "$disk/run"
    umount "$disk/mounted"
    rm -rf --one-file-system "${disk:?}"/*
    echo "$configuration: $count power cuts in $((SECONDS - start)) seconds, $committed commits, $made layers made again"
done
