#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# suite.sh [DRIVER…]: compares what filters mean to containerd and to us, and runs containerd's own test suite for
# snapshotters against graphd, on overlay, vfs and btrfs where no driver is named. GRAPHD and GRAPHCTL are the programs
# to test. As root, called by isolated.sh. All cases that the suite runs must pass, under a name that relaxes none: 20
# of its 21, since it skips "Rename" itself. The last line sums up.
set -euo pipefail
cd "$(dirname "$0")/suite"
[ $# -gt 0 ] || set -- overlay vfs btrfs
GRAPHD=$(realpath "${GRAPHD:-../../../.build/release/graphd}")
GRAPHCTL=$(realpath "${GRAPHCTL:-../../../.build/static/release/graphctl}")
export GRAPHD GRAPHCTL
cases=20
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Debian's packages of Go's libraries are in a tree of their own, of before modules.
GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$work/cache go test -c -o "$work/suite" .
"$work/suite" -test.run TestFilters -test.v >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
sed -n 's/^ *filters_test.go:[0-9]*: //p' "$work/log"
for driver; do
    base=$work
    [ "$driver" != btrfs ] || base=$GRAPH_TEST_BTRFS
    DRIVER=$driver TMPDIR=$base "$work/suite" -test.run TestGraphd -test.root -test.v -test.timeout 600s >"$work/log" 2>&1 || {
        cat "$work/log"
        exit 1
    }
    passed=$(grep -c '^    --- PASS: TestGraphd/' "$work/log" || :)
    skipped=$(sed -n 's/^    --- SKIP: TestGraphd\/\([^ ]*\).*/\1/p' "$work/log")
    if [ "$passed" != $cases ] || [ "$skipped" != Rename ]; then
        cat "$work/log"
        echo "suite.sh: $passed of $cases cases passed on $driver" >&2
        exit 1
    fi
    echo "containerd's snapshotter suite on $driver: $passed of $cases passed"
done
