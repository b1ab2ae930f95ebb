#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# run-tests.sh [--soak]: builds once and runs every test, as root in a mount namespace of its own.
# GRAPH_TEST_SEED repeats a run's random choices; --soak runs the long campaigns whole.
#
# Two lanes run side by side. One runs the test bundle, first in a user namespace, then on this machine. The
# other takes the rest part by part: images of others, containerd, power cuts, and what is about device mapper
# (uml-tests.sh --parts), under a kernel that has only one processor; when the first is done it takes parts as
# well. What parts print is shown when all are done.
# What fails in one lane ends the other. The last line is the test runner's own.
set -euo pipefail
cd "$(dirname "$0")/../.."

umask 022 # another user's tests run what is built here

# What ends before its time says where, unless it was ended because another did.
current='' work=${GRAPH_TEST_WORK-}
note_end() { # STATUS
    [ "$1" = 0 ] || [ -z "$current" ] || [ -e "$work/failed" ] || echo "$current" >"$work/failed"
}

step() {
    local start=$SECONDS
    current=$1
    shift
    echo "== $current"
    "$@"
    printf '%s\n' "$current" $((SECONDS - start)) >>"$work/steps"
    current=
}

make_image() {
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -E env "PATH=$PATH" "HOME=$HOME")
    GRAPH_TEST_IMAGE=$("${as_root[@]}" Tests/scripts/make-image.sh)
    export GRAPH_TEST_IMAGE
}

# One test at a time: many measure memory, fill disks or race processes, and two cores are few.
# The bundle is run directly: `swift test` leaves its own files in TMPDIR, which must end empty.
run_suite() {
    local bundle
    bundle=$(echo .build/release/*PackageTests.xctest)
    NO_COLOR=1 "${user[@]}" Tests/scripts/isolated.sh "$bundle" --testing-library swift-testing --no-parallel "$@" 2>&1 |
        tee "$work/suite.log"
}

# A test that no longer runs must be noticed. The soak may skip less, never more.
compare_skipped() {
    local skipped known=$1
    skipped=$(sed -nE 's/^[^ ]+ Test (.*) (skipped(: ".*"|\.)|was cancelled after .*)$/\1/p' "$work/suite.log" |
        tr -d '"' | LC_ALL=C sort -u)
    if [ -n "${GRAPH_SOAK-}" ]; then
        skipped=$(LC_ALL=C sort -u "$known" - <<<"$skipped")
    fi
    diff -u --label "$known" --label 'skipped in this run' \
        "$known" <(printf '%s' "${skipped:+$skipped$'\n'}")
}

# First what an unprivileged user can do, as root of a user namespace; then everything.
run_bundle() {
    user=(Tests/scripts/in-userns.sh)
    step 'tests in a user namespace' run_suite \
        --filter 'DriverConformanceTests|GraphSystemTests|GraphStoreTests|GraphImageTests|graphctlTests'
    step 'skipped there' compare_skipped Tests/skipped-in-userns.txt
    user=()
    # What is about device mapper runs under a kernel that has it, and nowhere else.
    step 'tests' run_suite --skip '^DeviceMapperTests[.]'
    step 'skipped' compare_skipped Tests/skipped.txt
    if [ -n "${GRAPH_SOAK-}" ]; then
        # Packages of their own, each of which builds everything again.
        step 'a driver from outside' Tests/OutsideDriver/run.sh
        step 'benchmarks' benchmarks/bench.sh "${TMPDIR:-/var/tmp}"
        step 'build microbenchmarks' swift build --package-path benchmarks/micro
    fi
    grep -aE '^[^ ]+ Test run with ' "$work/suite.log" | tail -n 1 >"$work/closing"
}

# Takes the first part that nobody has taken, if there is one.
take_part() {
    (
        flock 9
        sed -n 1p "$work/queue"
        sed -i 1d "$work/queue"
    ) 9>"$work/lock"
}

# The longest first, so that both lanes end at about the same time.
list_parts() {
    Tests/scripts/uml-tests.sh --parts |
        sed -e "s/^/devicemapper: /" -e '4a images of others' -e '4a containerd' -e '4a power cuts'
}

run_part() {
    local words cuts=20
    [ -z "${GRAPH_SOAK-}" ] || cuts=500
    case $1 in
    'images of others') Tests/scripts/isolated.sh Tests/scripts/foreign/images.sh ;;
    containerd)
        Tests/scripts/isolated.sh Tests/containerd/suite.sh &&
            Tests/scripts/isolated.sh Tests/containerd/containers.sh
        ;;
    'power cuts') Tests/scripts/isolated.sh Tests/scripts/power-cuts.sh $cuts ;;
    *)
        read -ra words <<<"${1#devicemapper: }"
        Tests/scripts/uml-tests.sh "${words[@]}"
        ;;
    esac
}

run_parts() {
    local part start
    while part=$(take_part) && [ -n "$part" ]; do
        start=$SECONDS
        current=$part
        if ! run_part "$part" >"$work/part $part" 2>&1 </dev/null; then
            cat "$work/part $part"
            exit 1
        fi
        printf '%s\n' "$current" $((SECONDS - start)) >>"$work/steps"
        echo "== $current: passed in $((SECONDS - start)) seconds"
        current=
    done
}

if [ "${1-}" = --lane ]; then
    trap 'note_end $?' EXIT
    trap 'exit 143' TERM
    [ "$2" != bundle ] || run_bundle
    run_parts
    exit
fi

# Each lane is a process group, so that it can be ended as a whole.
run_lanes() {
    local lane
    list_parts >"$work/queue"
    set -m
    for lane in bundle parts; do
        "$0" --lane $lane </dev/null &
        lanes+=($!)
    done
    set +m
    for lane in "${lanes[@]}"; do wait -n; done
    lanes=()
    for lane in "$work/part "*; do
        echo "== ${lane#"$work/part "}"
        cat "$lane"
    done
}

# What the benchmarks take for slower, by samples that this machine gives.
test_measuring() {
    local line=(swift build -c release --build-tests --package-path benchmarks/Measure --scratch-path .build/measure)
    "${line[@]}"
    NO_COLOR=1 "$("${line[@]}" --show-bin-path)"/*PackageTests.xctest --testing-library swift-testing --no-parallel
}

finish() {
    local status=$? lane
    note_end $status
    for lane in "${lanes[@]}"; do
        kill -TERM -- "-$lane" 2>/dev/null || true
        wait "$lane" 2>/dev/null || true
    done
    echo
    mapfile -t steps <"$work/steps"
    printf '%-30s %7s\n' step seconds "${steps[@]}"
    if [ "$status" = 0 ]; then
        cat "$work/closing"
    else
        cat "$work"/{suite.log,part*} 2>/dev/null |
            grep -aE '^[^ ]+ Test .* recorded an issue' | cut -c 1-300 | tail -n 8 >&2 || :
        echo "run-tests.sh: failed in the step \"$(cat "$work/failed" || :)\", GRAPH_TEST_SEED=$GRAPH_TEST_SEED" >&2
    fi
    rm -rf "$work"
}

if [ "${1-}" = --soak ]; then export GRAPH_SOAK=1; fi
export GRAPH_TEST_SEED=${GRAPH_TEST_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
echo "GRAPH_TEST_SEED=$GRAPH_TEST_SEED"
work=$(mktemp -d)
: >"$work/steps"
export GRAPH_TEST_WORK=$work
lanes=()
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# For release, as users run it: the random campaigns take ten times as long built for debugging.
# The daemon is built with them, since both take the same libraries of this package.
step 'build tests and graphd' env GRAPH_DAEMON=1 swift build -c release --build-tests
step 'build graphctl' make --no-print-directory build
export GRAPHCTL=$PWD/.build/static/release/graphctl
step 'make image' make_image
step 'tests of measuring' test_measuring
step 'both lanes' run_lanes
