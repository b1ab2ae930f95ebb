#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# uml-kills.sh [SECONDS [FILESYSTEM]]: kills commands of a store of driver devicemapper just before each
# call that tells the pool, device mapper, a loop device or the disk something, in user-mode Linux. After
# each kill the store must be sound and go on, and the pool have its layers' volumes and no others.
# SECONDS is the time for a sample of commands and points, taken with GRAPH_TEST_SEED; 0 takes all, each
# command in a guest of its own. GRAPHCTL is the command to test; GRAPH_KILL_ONLY='COMMAND CALL NUMBER' is
# one point, GRAPH_KILL_ONLY=COMMAND all of one command's.
set -euo pipefail
cd "$(dirname "$0")/../.."
GRAPHCTL=${GRAPHCTL:-$PWD/.build/release/graphctl}

names=(create larger apply mount unmount give return commit rm gc grow start stop first)
# The guest's kernel sometimes ends by itself, in the middle of anything; then it did not test.
guest() {
    local status try
    for try in 1 2 3; do
        status=0
        Tests/scripts/uml-run.sh -m 1G -t 1500 -- "$0" --guest "$@" || status=$?
        [ "$status" = 125 ] || return "$status"
        echo "uml-kills.sh: the guest's kernel ended by itself, time $try" >&2
    done
    return 125
}
if [ "${1-}" != --guest ]; then
    if [ "${1:-0}" != 0 ] || [ -n "${GRAPH_KILL_ONLY-}" ]; then
        guest "${1:-0}" "${2:-ext4}"
        exit
    fi
    for name in "${names[@]}"; do GRAPH_KILL_ONLY=$name guest 0 "${2:-ext4}"; done
    exit
fi

seconds=$2 filesystem=$3
RANDOM=$((${GRAPH_TEST_SEED:-$$} % 32768))
work=/run/tmp/work
root=$work/root run=$work/run
mkdir -p $work
tar -C docs -cf $work/layer.tar drivers
line=("$GRAPHCTL" --root $root --run-root $run --driver devicemapper --storage-opt "dm.fs=$filesystem"
    --storage-opt dm.basesize=320M --storage-opt dm.loopdatasize=400M --storage-opt dm.loopmetadatasize=8M)
calls=ioctl,fsync,syncfs,renameat,unlinkat,move_mount,fsconfig,umount2,ftruncate,semget,semctl,exit_group
point=
fail() {
    echo "uml-kills.sh: GRAPH_KILL_ONLY='$point' on $filesystem, GRAPH_TEST_SEED=${GRAPH_TEST_SEED-}: $*" >&2
    exit 1
}
graph() { "${line[@]}" "$@" 2>$work/errors || fail "$* ended with $?: $(cat $work/errors)"; }
pool() { dmsetup ls | sed -n 's/^\(graph-[^ \t]*-pool\).*/\1/p'; }

# The thin ids that the pool has beside the base's, by an independent reading of its metadata.
volumes() {
    local name device
    name=$(pool)
    [ -n "$name" ] || return 0
    dmsetup message "$name" 0 reserve_metadata_snap
    device=$(dmsetup deps -o devname "$name" | grep -o 'loop[0-9]*' | while read -r loop; do
        [ "$(cat "/sys/block/$loop/loop/backing_file")" != $root/devicemapper/pool/metadata ] || echo "/dev/$loop"
    done)
    thin_ls -m --no-headers -o DEV "$device" | awk '$1 != 0 { print $1 }' | sort -n | tr '\n' ' '
    dmsetup message "$name" 0 release_metadata_snap
}

# Nothing is there that no layer owns, in the store, the pool or the kernel; what is mounted may be.
require_sound() {
    local found owned inPool devices loops nodes
    graph gc >/dev/null
    found=$(graph check --deep)
    [ -z "$found" ] || fail "check: $found"
    owned=$(find $root/devicemapper -maxdepth 1 -name '[1-9]*' -printf '%f\n' | sort -n | tr '\n' ' ')
    inPool=$(volumes)
    [ "$owned" = "$inPool" ] || fail "the store has layers $owned, the pool volumes $inPool"
    [ -z "$(ls -A $root/trash 2>/dev/null)" ] || fail "left in the trash: $(ls $root/trash)"
    devices=$(dmsetup ls | grep -vc -e '-pool\b' || true)
    [ "$devices" -le "$1" ] || fail "left in device mapper: $(dmsetup ls)"
    loops=$(losetup -nal | wc -l)
    [ "$loops" = 2 ] || fail "loop devices: $(losetup -al)"
    [ -z "$(dmsetup info -c --noheadings -o suspended | grep -i suspended || true)" ] || fail 'suspended'
    # One that was made and not filled in is held for somebody's for a second.
    [ "$(grep -c . /proc/sysvipc/sem)" = 1 ] || { sleep 2 && graph gc >/dev/null; }
    [ "$(grep -c . /proc/sysvipc/sem)" = 1 ] || fail "a semaphore is left: $(cat /proc/sysvipc/sem)"
    [ ! -e /run/udev/control ] || udevadm settle
    nodes=$(comm -23 <(find /dev/mapper -mindepth 1 ! -name control -printf '%f\n' | sort) <(dmsetup ls | cut -f 1 | sort))
    [ -z "$nodes" ] || fail "nodes of no device: $nodes"
}

release() { while "${line[@]}" unmount box >/dev/null 2>&1; do :; done; }
remove_new() { if "${line[@]}" inspect new >/dev/null 2>&1; then graph rm new >/dev/null; fi; }
make_new() {
    graph create --id new --parent base >/dev/null
    echo changed >"$(graph mount new)/drivers/more"
    graph unmount new >/dev/null
}
# Where nothing is yet.
start_anew() {
    release
    if [ -e $root/graph.db ]; then
        for layer in $("${line[@]}" ls --quiet | tac); do "${line[@]}" rm "$layer" >/dev/null 2>&1 || true; done
    fi
    for device in $(dmsetup ls | sed -n 's/^\(graph-[^ \t]*\).*/\1/p' | sort -r); do dmsetup remove --retry "$device"; done
    rm -rf $root $run
}
fill() {
    graph apply --id base $work/layer.tar >/dev/null
    graph create --id box --parent base >/dev/null
    echo written >"$(graph mount box)/drivers/written"
    graph unmount box >/dev/null
}

# What comes before each command, the command, and the code with which it may be refused once done.
prepare() {
    case $1 in
    commit | rm) make_new ;;
    gc) make_new && graph rm --no-reclaim new >/dev/null ;;
    unmount) graph mount box >/dev/null ;;
    return) graph mount --device box >/dev/null ;;
    start | stop) graph pool stop ;;
    first) start_anew ;;
    esac
    if [ "$1" = stop ]; then graph pool status >/dev/null; fi
}
command_of() {
    case $1 in
    first) echo create --id new ;;
    create | start) echo create --id new --parent base ;;
    larger) echo create --id new --parent base --size 400M ;;
    apply) echo apply --id new --parent base $work/layer.tar ;;
    mount) echo mount box ;;
    unmount) echo unmount box ;;
    give) echo mount --device box ;;
    return) echo unmount box ;;
    commit) echo commit new ;;
    rm) echo rm new ;;
    gc) echo gc ;;
    grow) echo pool grow --data-size "$(($(stat -c %s $root/devicemapper/pool/data) + (16 << 20)))" \
        --metadata-size "$(($(stat -c %s $root/devicemapper/pool/metadata) + (1 << 20)))" ;;
    stop) echo pool stop ;;
    esac
}

# The points of a command that has just been run under strace: CALL NUMBER, counted for each thread.
points() {
    # Calls that strace does not know it tells unasked.
    awk -v "calls=,$calls," '{ call = $2; sub(/\(.*/, "", call) }
        $2 ~ /^[a-z0-9_]+\(/ && index(calls, "," call ",") { n = ++count[$1, call]; if (n > most[call]) most[call] = n }
        END { for (call in most) for (n = 1; n <= most[call]; n++) print call, n }' $work/trace |
        shuf --random-source=<(yes "$RANDOM")
}

# After a kill: sound, and the command can be given again, unless it had done its work.
attack() {
    local name=$1 call=$2 number=$3 status=0 words
    prepare "$name"
    read -ra words <<<"$(command_of "$name")"
    { # the shell would tell of each that was killed
        strace -f -qq -o /dev/null -e "trace=$call" -e "inject=$call:signal=KILL:when=$number" \
            "${line[@]}" "${words[@]}" >/dev/null 2>$work/errors || status=$?
    } 2>/dev/null
    [ "$status" = 137 ] || [ "$status" = 0 ] || fail "the command ended with $status: $(cat $work/errors)"
    [ "$status" = 0 ] || killed=$((killed + 1))
    if [ "$name" = first ]; then graph create >/dev/null; fi
    require_sound 1
    if ! "${line[@]}" "${words[@]}" --json >$work/again 2>&1; then
        grep -qE '"(layerExists|wrongKind|layerNotFound|invalidArgument)"' $work/again ||
            fail "it cannot be repeated: $(cat $work/again)"
        [ "$name" != grow ] || graph pool grow
    fi
    if [ "$name" = stop ]; then graph ls >/dev/null; fi
    case $name in
    mount | unmount | give | return) release ;;
    create | larger | apply | start | commit | rm) remove_new ;;
    esac
}

# After all attacks on a command: it has taken nothing and left nothing.
require_kept() {
    require_sound 0
    [ "$(graph ls --quiet | sort | tr '\n' ' ')" = 'base box ' ] || fail "layers: $(graph ls --quiet)"
    [ "$(cat "$(graph mount box)/drivers/written")" = written ] || fail 'box has lost what was written'
    graph unmount box >/dev/null
}

started=$SECONDS tried=0 killed=0
if [ "$seconds" != 0 ]; then mapfile -t names < <(shuf -e "${names[@]}" --random-source=<(yes "$RANDOM")); fi
fill
for name in "${names[@]}"; do
    [ "$seconds" = 0 ] || [ $((SECONDS - started)) -lt "$seconds" ] || break
    point="$name, whole"
    if [ -n "${GRAPH_KILL_ONLY-}" ] && [ "${GRAPH_KILL_ONLY%% *}" != "$name" ]; then continue; fi
    prepare "$name"
    read -ra words <<<"$(command_of "$name")"
    strace -f -qq -o $work/trace -e "trace=$calls" "${line[@]}" "${words[@]}" >/dev/null
    release
    [ "$name" = first ] || remove_new
    mapfile -t list < <(points)
    before=$tried
    for point in "${list[@]}"; do
        # A sample takes three points of a command, and goes on to the next.
        [ "$seconds" = 0 ] || [ $((tried - before)) -lt 3 ] || break
        [[ ${GRAPH_KILL_ONLY-} != *' '* || $GRAPH_KILL_ONLY = "$name $point" ]] || continue
        read -r call number <<<"$point"
        point="$name $point"
        tried=$((tried + 1))
        attack "$name" "$call" "$number"
    done
    echo "kill points: $filesystem, $name: $((tried - before)) of ${#list[@]} tried"
    if [ "$name" = first ]; then
        start_anew
        fill
    else
        require_kept
    fi
done
start_anew
[ -z "$(dmsetup ls | grep graph || true)$(losetup -nal)" ] || fail "left at the end: $(dmsetup ls; losetup -al)"
echo "kill points on $filesystem: $tried tried, $killed reached, in $((SECONDS - started)) seconds"
