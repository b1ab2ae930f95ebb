#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# first-change.sh [ROUNDS]: what the first change to files of a parent costs with driver overlay, on ext4,
# on ext4 with metacopy=on, and on a loop image of xfs in the same ext4: mode of one file of 1 GiB, owner of 1,000
# files of 64 KiB, and 4 KiB written to the large file after that. Prints a line for each: the median of the
# microseconds, and of the bytes that the device of the ext4 was given, up to the sync after the change.
# Needs root and 8 GiB below TMPDIR. GRAPHCTL names the command.
set -euo pipefail

if [ "${1-}" != --inside ]; then
    exec "$(dirname "$0")/../Tests/scripts/listed-env.sh" machine unshare --mount --propagation private "$0" --inside "$@"
fi
rounds=${2:-5}
graphctl=${GRAPHCTL:-$(cd "$(dirname "$0")/.." && echo "$PWD/.build/static/release/graphctl")}
work=$(mktemp -d)
disk=$work/disk
clean() {
    for store in plain bed; do
        umount --quiet "$disk/$store/run/mnt/"* "$disk/$store/root/bed" 2>/dev/null || :
    done
    umount --quiet "$disk" || :
    rm -rf --one-file-system "$work"
}
trap clean EXIT

truncate --size 8G "$work/image"
mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$work/image"
mkdir "$disk"
mount -o loop "$work/image" "$disk"
device=$(basename "$(losetup --noheadings --output NAME --associated "$work/image")")

mkdir -p "$work/tree/many"
head -c 1G /dev/urandom >"$work/tree/large"
for index in $(seq 1000); do head -c 64K /dev/urandom >"$work/tree/many/$index"; done
tar -C "$work/tree" -cf "$work/tree.tar" large many
rm -r "$work/tree"

store() {
    local name=$1
    shift
    "$graphctl" --root "$disk/$name/root" --run-root "$disk/$name/run" "$@"
}
for name in plain bed; do mkdir -p "$disk/$name"; done
store plain init >/dev/null
store bed init --loop-image xfs-image --size 4G >/dev/null
for name in plain bed; do store "$name" apply --id base "$work/tree.tar" >/dev/null; done

# What the device was given once everything is on it, also what lies in the bed.
written() {
    sync
    local numbers
    read -ra numbers <"/sys/block/$device/stat"
    echo $((numbers[6] * 512))
}

measure() {
    local label=$1 before start
    shift
    before=$(written)
    start=$(date +%s%N)
    "$@"
    echo "$label $((($(date +%s%N) - start) / 1000)) $(($(written) - before))" >>"$work/samples"
}

for _ in $(seq "$rounds"); do
    for kind in ext4 ext4,metacopy bed; do
        name=plain options=()
        [ "$kind" != bed ] || name=bed
        [ "$kind" != ext4,metacopy ] || options=(--storage-opt metacopy=on)
        store "$name" "${options[@]}" create --id box --parent base >/dev/null
        path=$(store "$name" "${options[@]}" mount box)
        measure "$kind chmod" chmod 0600 "$path/large"
        measure "$kind chown" chown -R 1000:1000 "$path/many"
        measure "$kind write" dd if=/dev/zero "of=$path/large" bs=4k count=1 conv=notrunc status=none
        store "$name" unmount box >/dev/null
        store "$name" rm box >/dev/null
    done
done

sort -k 1,2 "$work/samples" | awk '
    function median(list, count,   parts, i, j, swap) {
        split(list, parts, " ")
        for (i = 1; i <= count; i++)
            for (j = i + 1; j <= count; j++)
                if (parts[j] + 0 < parts[i] + 0) { swap = parts[i]; parts[i] = parts[j]; parts[j] = swap }
        return parts[int((count + 1) / 2)]
    }
    { key = $1 " " $2; times[key] = times[key] " " $3; bytes[key] = bytes[key] " " $4; count[key]++ }
    END {
        for (key in count)
            print key, median(times[key], count[key]), "us", median(bytes[key], count[key]), "bytes"
    }' | sort
