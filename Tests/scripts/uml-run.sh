#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# uml-run.sh [-m MEMORY] [-t SECONDS] [-d FILE]… [--] COMMAND [ARGUMENT…]: runs one command under
# Debian's user-mode-linux kernel, which has device mapper, with this machine's files as its root.
#   -m  the guest's memory (1G)       -d  a disk: the first is /dev/ubda, the second /dev/ubdb
#   -t  give up after so long (300)   -v  the guest's console goes to standard error
# The status is the command's; 124 timed out; 137 the guest was killed, as by a power cut: kill -9 of
# the process group whose number is in $UML_PIDFILE; 125 it ended without a status. In the guest /run,
# /mnt and /dev/shm are empty, UML=1, TMPDIR is /run/tmp or with UML_DISK=1 on the first disk; of the
# environment it has what listed-env.sh lists. Device nodes are the kernel's and libdevmapper's, with UML_UDEV=1
# those of a udevd. Whatever else is written is this machine's.
set -uo pipefail

memory=1G limit=300 verbose='' disks=()
while getopts m:t:d:v option; do
    case $option in
    m) memory=$OPTARG ;;
    t) limit=$OPTARG ;;
    d) disks+=("$(realpath -- "$OPTARG")") ;;
    v) verbose=1 ;;
    *) sed -n '5,14s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || { sed -n '5,14s/^# \{0,1\}//p' "$0" >&2; exit 64; }
kernel=$(command -v linux.uml) || { echo 'uml-run.sh: no linux.uml: install-deps.sh installs it' >&2; exit 125; }

work=$(mktemp -d "${UML_TMP:-/tmp}/graph-uml.XXXXXX")
: >"$work/out" >"$work/err" >"$work/console"
guest=
# shellcheck disable=SC2317 # called by the trap
finish() {
    [ -z "$guest" ] || kill -9 -- "-$guest" 2>/dev/null
    rm -rf -- "$work"
}
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

{
    "$(dirname "$0")/listed-env.sh" guest bash -c 'unset OLDPWD PWD SHLVL && export -p'
    printf 'cd %q && exec' "$PWD"
    printf ' %q' "$@"
    echo
} >"$work/command"
mkdir -p "$work/modules/lib" "$work/uml"
ln -s /usr/lib/uml/modules "$work/modules/lib/modules"
cat >"$work/modprobe" <<END
#!/bin/sh
exec /sbin/modprobe -d $work/modules "\$@"
END
cat >"$work/init" <<END
#!/bin/bash
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
ln -sfn /proc/self/fd /dev/fd
for i in 0:stdin 1:stdout 2:stderr; do ln -sfn /proc/self/fd/\${i%:*} /dev/\${i#*:}; done
for folder in /dev/shm /run /mnt; do mount -t tmpfs tmpfs \$folder; done
mkdir -p /run/tmp /run/lock
echo $work/modprobe >/proc/sys/kernel/modprobe
for module in loop dm-mod dm-thin-pool overlay; do $work/modprobe \$module; done
busybox ip link set lo up # Foundation runs programs with the help of sockets on it
export TMPDIR=/run/tmp UML=1
if [ -n "${UML_UDEV-}" ]; then
    mkdir /run/udev
    /lib/systemd/systemd-udevd --daemon
fi
if [ -n "${UML_DISK-}" ]; then # names with attributes, and more room than in memory
    mkfs.ext4 -q -F /dev/ubda
    mkdir /mnt/work
    mount -t ext4 /dev/ubda /mnt/work
    export TMPDIR=/mnt/work
fi
# The kernel gives its own arguments to init as variables.
env -i PATH=\$PATH HOME=\$HOME LANG=\$LANG TMPDIR=\$TMPDIR UML=\$UML TERM=dumb \
    bash $work/command </dev/null >$work/out 2>$work/err
echo \$? >$work/status.new
mv $work/status.new $work/status
umount -a -t ext4,xfs,btrfs,overlay 2>/dev/null
sync
echo o >/proc/sysrq-trigger
sleep 5
END
chmod +x "$work/init" "$work/modprobe"

arguments=(mem="$memory" root=/dev/root rootfstype=hostfs rootflags=/ rw init="$work/init"
    uml_dir="$work/uml/" umid=u con=null con0=null,fd:1 ssl=null panic=-1)
[ -n "$verbose" ] && arguments+=(loglevel=7) || arguments+=(quiet)
letters=abcdefgh
for i in "${!disks[@]}"; do arguments+=("ubd${letters:i:1}=${disks[i]}"); done
preload=()
if grep -qwm 1 amx_tile /proc/cpuinfo; then
    gcc -O2 -shared -fPIC -o "$work/xstate.so" "$(dirname "$0")/uml/xstate.c" || exit 125
    preload=(env LD_PRELOAD="$work/xstate.so")
fi
setsid "${preload[@]}" "$kernel" "${arguments[@]}" </dev/null >"$work/console" 2>&1 &
guest=$!
[ -z "${UML_PIDFILE-}" ] || echo "$guest" >"$UML_PIDFILE"
tail -q -n +1 -f --pid="$guest" -s 0.1 "$work/out" &
tail_out=$!
tail -q -n +1 -f --pid="$guest" -s 0.1 "$work/err" >&2 &
tail_err=$!

end=$((SECONDS + limit)) status=
while kill -0 "$guest" 2>/dev/null; do
    if [ $SECONDS -ge $end ]; then
        status=124
        kill -9 -- "-$guest" 2>/dev/null
        break
    fi
    sleep 0.05
done
wait "$guest" 2>/dev/null
guest_status=$?
guest=
wait "$tail_out" "$tail_err" 2>/dev/null
[ -z "$verbose" ] || cat "$work/console" >&2
if [ -z "$status" ]; then
    status=125
    [ "$guest_status" != 137 ] || status=137
    [ ! -f "$work/status" ] || status=$(cat "$work/status")
fi
[ "$status" != 125 ] || [ -n "$verbose" ] || tail -n 60 "$work/console" >&2
exit "$status"
