#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# uml-power-cuts.sh COUNT [FILESYSTEM]: cuts the power COUNT times while a store of driver devicemapper
# works, with its pool on disks of user-mode Linux. After each cut the pool's metadata and every volume
# must be sound, every layer must have its digest, and nothing may be left that nobody owns. What is cut
# off: create, writing, apply, commit, rm, and growing the pool with the device below it.
# GRAPH_TEST_SEED repeats the moments, GRAPHCTL is the command to test.
set -euo pipefail
cd "$(dirname "$0")/../.."
GRAPHCTL=${GRAPHCTL:-$PWD/.build/debug/graphctl}

# In the guest: checks what the last cut left, then works until the power goes.
if [ "${1-}" = --guest ]; then
    filesystem=$2 seed=$3 tar=/run/tmp/layer.tar
    export DM_DISABLE_UDEV=1 # dmsetup makes nodes itself, where no udevd does
    tar -cf $tar docs
    graph() {
        "$GRAPHCTL" --root /mnt/store/root --run-root /run/tmp/run --driver devicemapper \
            --storage-opt dm.datadev=/dev/mapper/data --storage-opt dm.metadatadev=/dev/ubdb \
            --storage-opt dm.basesize=320M --storage-opt "dm.fs=$filesystem" "$@"
    }
    fail() { echo "after a power cut: $*"; exit 1; }
    mkdir /mnt/store
    mount -t ext4 /dev/ubda /mnt/store
    # The pool's device is the part of the disk that it has grown to.
    size() { cat /mnt/store/size 2>/dev/null || echo 524288; }
    dmsetup create data --table "0 $(size) linear /dev/ubdc 0"
    enlarge() {
        local sectors=$(($(size) + 65536))
        [ $sectors -le "$(blockdev --getsz /dev/ubdc)" ] || return 0
        echo $sectors >/mnt/store/size.new
        sync /mnt/store/size.new
        mv /mnt/store/size.new /mnt/store/size
        sync -f /mnt/store/size
        dmsetup reload data --table "0 $sectors linear /dev/ubdc 0"
        dmsetup suspend data
        dmsetup resume data
        graph pool grow
    }
    if [ -s /mnt/store/root/graph.db ]; then # the first cuts may come before there is a store
        thin_check -q /dev/ubdb || fail 'thin_check finds damage'
        graph gc >/dev/null || fail 'gc'
        found=$(graph check --deep) || fail "check: $found"
        [ -z "$found" ] || fail "check: $found"
        name=$(graph pool status --json | jq -r .name)
        pool=$(dmsetup info -c --noheadings --separator : -o major,minor "$name")
        for folder in /mnt/store/root/devicemapper/[1-9]*; do
            [ -e "$folder/volume" ] || continue
            number=${folder##*/} sectors=$(sed -n 's/^sectors=//p' "$folder/volume")
            dmsetup create checked --table "0 $sectors thin $pool $number"
            device=/dev/mapper/checked
            if [ ! -e "$folder/sealed" ]; then # its journal may have something to say
                mkdir -p /run/tmp/replayed
                mount -t "$filesystem" $([ "$filesystem" != xfs ] || echo -o nouuid) "$device" /run/tmp/replayed
                umount /run/tmp/replayed
            fi
            if [ "$filesystem" = xfs ]; then
                xfs_repair -n "$device" >/run/tmp/fsck 2>&1 || fail "layer $number: $(tail -n 5 /run/tmp/fsck)"
            else
                e2fsck -fn "$device" >/run/tmp/fsck 2>&1 || fail "layer $number: $(tail -n 5 /run/tmp/fsck)"
            fi
            dmsetup remove --retry checked
        done
        owned=$(find /mnt/store/root/devicemapper -maxdepth 1 -name '[1-9]*' -printf '%f\n' | sort -n | tr '\n' ' ')
        graph pool stop
        inPool=$(thin_ls --no-headers -o DEV /dev/ubdb | awk '$1 != 0 { print $1 }' | sort -n | tr '\n' ' ')
        [ "$owned" = "$inPool" ] || fail "the store has layers $owned, the pool volumes $inPool"
    fi
    # Containers at work when the power went: mounted again, with what they had put on disk.
    graph inspect ground >/dev/null 2>&1 || graph apply --id ground "$tar" >/dev/null
    for container in kept alone; do
        if ! graph inspect $container >/dev/null 2>&1; then
            parent=()
            [ $container = alone ] || parent=(--parent ground)
            graph create --id $container "${parent[@]}" >/dev/null
            echo 0 >/mnt/store/boots-$container
        fi
        place=$(graph mount $container) || fail "mount of $container"
        touch "$place/boots"
        lines=$(cat "$place/boots" | wc -l)
        known=$(cat /mnt/store/boots-$container 2>/dev/null || echo 0)
        [ "$lines" -ge "$known" ] || fail "$container was left with $known lines and has $lines"
        [ $container = alone ] || diff -r docs "$place/docs" >/dev/null || fail "$container lacks its parent"
        echo "boot after $known" >>"$place/boots"
        sync -f "$place/boots"
        echo "$((lines + 1))" >/mnt/store/boots-$container
        sync -f /mnt/store
    done
    echo "ready, $(graph ls --json 2>/dev/null | jq 'length' 2>/dev/null || true) layers"
    set +e # what is refused is refused
    RANDOM=$seed
    for ((round = 0; ; round++)); do
        layers=($(graph ls --json | jq -r '.[] | select(.kind == "committed") | .id'))
        parent=()
        [ ${#layers[@]} -eq 0 ] || parent=(--parent "${layers[RANDOM % ${#layers[@]}]}")
        case $((RANDOM % 5)) in
        0) graph apply --id "a$round-$RANDOM" "${parent[@]}" "$tar" ;;
        1 | 2)
            id=c$round-$RANDOM
            graph create --id "$id" "${parent[@]}"
            place=$(graph mount "$id")
            head -c $((RANDOM * 64)) /dev/urandom >"$place/file-$RANDOM"
            graph unmount "$id" >/dev/null
            [ $((RANDOM % 2)) = 0 ] || graph commit "$id"
            ;;
        3) for layer in $(graph ls --json | jq -r '.[].id' | shuf -n 3 --random-source=<(yes "$RANDOM")); do
            graph rm "$layer" || true # it may be a parent
        done ;;
        4) enlarge ;;
        esac
    done >/run/tmp/log 2>&1
fi

count=$1 filesystem=${2:-ext4}
RANDOM=$((${GRAPH_TEST_SEED:-$$} % 32768))
work=$(mktemp -d "${TMPDIR:-/tmp}/graph-power.XXXXXX")
runner=
# shellcheck disable=SC2317 # called by the trap
finish() {
    [ -z "$runner" ] || kill "$runner" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
truncate -s 96M "$work/store"
truncate -s 16M "$work/metadata"
truncate -s 1G "$work/data"
mkfs.ext4 -q -F "$work/store"

cut=0 crashes=0
while [ "$cut" -le "$count" ]; do
    UML_PIDFILE=$work/pid Tests/scripts/uml-run.sh -m 768M -t 120 -d "$work/store" -d "$work/metadata" -d "$work/data" -- \
        "$0" --guest "$filesystem" "$RANDOM" >"$work/out" 2>"$work/err" &
    runner=$!
    until grep -q ready "$work/out"; do
        if ! kill -0 "$runner" 2>/dev/null; then
            status=0
            wait "$runner" || status=$?
            # The guest's kernel ended by itself, which cuts the power as well.
            [ "$status" != 125 ] || [ $((crashes += 1)) -gt 5 ] || continue 2
            cat "$work/out" "$work/err" >&2
            echo "uml-power-cuts.sh: cut $cut of $count on $filesystem, GRAPH_TEST_SEED=${GRAPH_TEST_SEED-}" >&2
            runner=
            exit 1
        fi
        sleep 0.05
    done
    # The last boot only looks.
    if [ "$cut" -lt "$count" ]; then sleep "$((RANDOM % 3)).$((RANDOM % 900 + 100))"; fi
    kill -9 -- "-$(cat "$work/pid")" 2>/dev/null || true
    wait "$runner" || true
    runner=
    cut=$((cut + 1))
done
echo "$count power cuts on $filesystem: pool and volumes are sound, with $(sed -n 's/^ready, //p' "$work/out")"
