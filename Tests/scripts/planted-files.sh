#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# planted-files.sh: as root, in the current directory, has user 1000 own, write to or put a link in the
# place of each file by which a store is found, and root run every command on it. Prints a line for each
# command that did anything but refuse, and last the number of those that were run. With a number as
# argument, each planted file of the store meets that many commands, chosen at random, and not all.
set -euo pipefail
each=${1:-100}
unset GRAPHCTL_ROOT GRAPHCTL_RUN_ROOT GRAPHCTL_DRIVER
export TMPDIR=$PWD
count=0

# What user 1000 would like to have followed.
chmod 0711 .
mkdir -m 0777 bait
chown 1000:1000 bait
printf bait >bait/file
chown 1000:1000 bait/file

# A store as it is when its processes have ended, with a layer of each kind and one in the trash.
make_store() {
    tar -cf layer.tar -C bait file
    local line=(graphctl --root root --run-root run)
    "${line[@]}" apply --id base layer.tar >made
    "${line[@]}" create --id box --parent base >made
    "${line[@]}" view --id look --parent base >made
    "${line[@]}" create --id gone >made
    "${line[@]}" mount look >made
    "${line[@]}" unmount look >made
    "${line[@]}" rm --no-reclaim gone >made
    rm made
}

# All that could be changed below, and what the kernel has of it.
state() {
    find "$1" ! -name layer.tar -printf '%p %i %m %u %s %T@ %l\n' | sort
    grep -F "$PWD/" /proc/self/mountinfo || :
    losetup --list --noheadings --output NAME,BACK-FILE | grep -F "$PWD/" || :
}

# Runs the commands of a file, each of which has to refuse and to leave all as it is.
refused_by() {
    local place=$1 commands=$2 line before result
    before=$(state "$place")
    while read -r line; do
        count=$((count + 1))
        # shellcheck disable=SC2086 # words of a command
        result=$(graphctl --json --root "$place/root" --run-root "$place/run" $line 2>&1 </dev/null) || :
        grep -q '"code": "untrusted"' <<<"$result" || echo "$what: $line: $result"
        grep -Eq 'chown root: |chmod go-w |remove it' <<<"$result" || echo "$what: $line: no way out: $result"
    done <"$commands"
    diff <(echo "$before") <(state "$place") | sed "s|^|$what: |" | grep '[<>]' || :
}

cat >at-image <<'END'
probe
init
loop-image status
loop-image grow
loop-image detach
END
printf '%s\n' 'init --loop-image xfs-image --size 320M' 'pool status' 'pool grow' 'pool stop' | cat at-image - >at-root
cat >at-store <<'END'
create
create --id new --parent base
view --parent base
commit box
apply layer.tar
label base a=b
rm box
rm look base
mount box
mount look target
unmount box
unmount target
changes box
diff base -o out.tar
ls
ls -q
tree
inspect base
usage base
df
info
check
check --deep
gc
gc --dry-run
import image.tar
END
cat at-root at-store >at-both
make_store
mkdir target
touch image.tar
own_by() { chown -h 1000:1000 "$1"; }
open_to() { chmod a+w "$1"; }
link_for() { mv "$1" "$1.was"; ln -s "$PWD/bait/${2:-file}" "$1"; chown -h 1000:1000 "$1"; }

# plant WAY PATH COMMANDS: on a copy of the store.
plant() {
    what="$1 $2"
    mkdir -p place
    cp -a root run place/
    [ -e "place/$2" ] || case $2 in
    *-wal | *-shm | *.lock | *.image) touch "place/$2" ;;
    *) mkdir "place/$2" ;;
    esac
    if [ -d "place/$2" ]; then "$1" "place/$2" .; else "$1" "place/$2"; fi
    shuf --random-source=<(yes "${GRAPH_TEST_SEED:-1} $count") --head-count="${4:-100}" "$3" >chosen
    refused_by place chosen
    rm -rf place
}

driver=$(graphctl --root root --run-root run info --json | jq -r .driver)
for way in own_by open_to; do
    plant $way root at-both
    plant $way run at-store
    plant $way . at-both
    plant $way root/bed.image at-image
done
link_for_image() { link_for "$1"; }
plant link_for_image root/bed.image at-image
for name in graph.db graph.db-wal graph.db-shm owners.lock reserve recipes trash "$driver"; do
    for way in own_by open_to link_for; do plant $way "root/$name" at-store "$each"; done
done
for name in mounts.db mounts.db-wal mounts.db-shm mounts.lock mnt; do
    for way in own_by open_to link_for; do plant $way "run/$name" at-store "$each"; done
done

# Where nothing is yet, in a directory of user 1000, or through a link of theirs.
mkdir -m 0755 theirs
chown 1000:1000 theirs
setpriv --reuid=1000 --regid=1000 --clear-groups ln -s "$PWD/bait" theirs/root
what='a link to a directory of theirs'
refused_by theirs at-both
rm theirs/root
printf '%s\n' init create 'apply layer.tar' 'import image.tar' probe 'init --loop-image xfs-image --size 320M' >that-make
what='a root to be made in a directory of theirs'
refused_by theirs that-make
echo "$count"
