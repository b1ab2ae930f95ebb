#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# thin-copy-up.sh [ROUNDS]: what the first change of a file costs in a layer of driver devicemapper, whose
# pool shares blocks of 64 KiB, 512 KiB and 1 MiB, in user-mode Linux (this machine's kernel may have no
# device mapper). Each figure is the median time of ROUNDS (5) fresh layers divided by that of the same
# change in an ext4 on the bare disk of the same guest, in the same run; the page cache is cold, and each
# change ends with fsync. System calls are slow there: only the ratios are of use, and only as an order.
# GRAPHCTL is the command.
set -euo pipefail
cd "$(dirname "$0")/.."
GRAPHCTL=${GRAPHCTL:-$PWD/.build/static/release/graphctl}

if [ "${1-}" != --guest ]; then
    work=$(mktemp -d "${TMPDIR:-/tmp}/graph-copy-up.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    truncate -s 2G "$work/pool" && truncate -s 1G "$work/raw"
    Tests/scripts/uml-run.sh -m 1G -t 1800 -d "$work/pool" -d "$work/raw" -- \
        "$0" --guest "${1:-5}"
    exit
fi

rounds=$2
cat >/run/tmp/change.py <<'END'
import os, sys, time

data = b"x" * 4096
for line in sys.stdin:
    trigger, path = line.split()
    begin = time.perf_counter_ns()
    if trigger == "chmod":
        os.chmod(path, 0o600)
        file = os.open(path, os.O_RDONLY)
    elif trigger == "truncate":
        file = os.open(path, os.O_WRONLY)
        os.ftruncate(file, 1)
    else:
        file = os.open(path, os.O_WRONLY)
        os.pwrite(file, data, os.fstat(file).st_size if trigger == "append" else 0)
    os.fsync(file)
    print(time.perf_counter_ns() - begin, flush=True)
    os.close(file)
END
# One process makes all changes: a new one would read its libraries anew each time.
coproc python3 -S /run/tmp/change.py
change() { # TRIGGER FILE
    sync
    echo 3 >/proc/sys/vm/drop_caches
    echo "$1 $2" >&"${COPROC[1]}"
    read -r nanoseconds <&"${COPROC[0]}"
    results+=("$nanoseconds")
}
median() { printf '%s\n' "${results[@]}" | sort -n | sed -n "$((rounds / 2 + 1))p"; }
triggers=(write chmod append truncate) sizes=(4K 1M 64M)
fill() { for size in "${sizes[@]}"; do head -c "$size" /dev/urandom >"$1/$size"; done; }
declare -A raw

mkfs.ext4 -q -F -m 0 -E lazy_itable_init=0,lazy_journal_init=0 /dev/ubdb
mkdir /mnt/raw /mnt/pool
mount -t ext4 /dev/ubdb /mnt/raw
for size in "${sizes[@]}"; do
    for trigger in "${triggers[@]}"; do
        results=()
        for ((round = 0; round < rounds; round++)); do
            head -c "$size" /dev/urandom >"/mnt/raw/$size"
            change $trigger "/mnt/raw/$size"
        done
        raw[$size$trigger]=$(median)
    done
done
umount /mnt/raw

export DM_DISABLE_UDEV=1 # dmsetup makes nodes itself, where no udevd does
printf '%-8s %-6s' block file && printf ' %13s' "${triggers[@]}" && echo '   times the bare disk (its microseconds)'
for block in 64K 512K 1M; do
    dd if=/dev/zero of=/dev/ubda bs=1M count=8 status=none conv=notrunc
    sectors=$(blockdev --getsz /dev/ubda)
    # 16 MiB for the metadata, the rest for data.
    dmsetup create metadata --table '0 32768 linear /dev/ubda 0'
    dmsetup create data --table "0 $((sectors - 32768)) linear /dev/ubda 32768"
    graph() {
        "$GRAPHCTL" --root "/run/tmp/$block/root" --run-root /run/tmp/run --driver devicemapper \
            --storage-opt dm.datadev=/dev/mapper/data --storage-opt dm.metadatadev=/dev/mapper/metadata \
            --storage-opt dm.basesize=256M --storage-opt "dm.blocksize=$block" "$@"
    }
    graph create --id box >/dev/null
    fill "$(graph mount box)"
    graph unmount box >/dev/null
    graph commit box >/dev/null
    for size in "${sizes[@]}"; do
        printf '%-8s %-6s' "$block" "$size"
        for trigger in "${triggers[@]}"; do
            results=()
            for ((round = 0; round < rounds; round++)); do
                layer=$(graph create --parent box)
                change $trigger "$(graph mount "$layer")/$size"
                graph unmount "$layer" >/dev/null
            done
            tenths=$(($(median) * 10 / raw[$size$trigger]))
            printf ' %5s (%5s)' "$((tenths / 10)).$((tenths % 10))" "$((raw[$size$trigger] / 1000))"
        done
        echo
    done
    graph ls --quiet | xargs "$GRAPHCTL" --root "/run/tmp/$block/root" --run-root /run/tmp/run rm >/dev/null
    graph pool stop
    dmsetup remove data && dmsetup remove metadata
done
