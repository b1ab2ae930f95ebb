#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# make.sh GRAPHCTL: makes store.tar.gz, a store of driver vfs by the given command, and answers.txt, what it
# answers to ask.sh. Both are kept as an early release made them: stores that there are open, always.
set -euo pipefail
graphctl=$1 here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
cd "$work"
export GRAPHCTL_ROOT=$work/root GRAPHCTL_RUN_ROOT=$work/run
graphctl() { "$graphctl" --driver vfs "$@"; }

mkdir -p tree/etc tree/data
echo root:x:0:0 >tree/etc/passwd
chmod 4755 tree/etc/passwd
ln -s passwd tree/etc/link
ln tree/etc/passwd tree/etc/second
setfattr -n user.kept -v yes tree/data
truncate -s 200000 tree/data/sparse
mkdir upper
echo more >upper/more
touch upper/.wh.data
tar() { command tar --sort=name --mtime=@1000000000 --numeric-owner --owner=3 --group=4 --format=pax --xattrs -S "$@"; }
tar -C tree -cf base.tar .
tar -C upper -czf upper.tar.gz .
graphctl apply --id base --label made=early base.tar
graphctl apply --id upper --parent base upper.tar.gz
graphctl create --id box --parent upper --label role=container
place=$(graphctl mount box)
echo changed >>"$place/etc/passwd"
mkdir "$place/new"
touch -d @1000000001 "$place/etc/passwd" "$place/new" "$place/etc" "$place"
graphctl unmount box
graphctl create --id done --parent base
graphctl commit done --id committed
graphctl view --id look --parent committed
umoci init --layout image
umoci new --image image:first
umoci raw add-layer --image image:first base.tar
graphctl import oci:image:first
rm -rf root/reserve
command tar --sort=name --numeric-owner --xattrs -S -C . -cf - root | gzip -9n >"$here/store.tar.gz"
PATH=$(dirname "$graphctl"):$PATH bash "$here/ask.sh" >"$here/answers.txt"
