#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# run-tests.sh [--soak]: builds once and runs every test, as root in a mount namespace of its own.
# GRAPH_TEST_SEED repeats a run's random choices; --soak runs the long campaigns whole.
# The last line is the test runner's own.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "${1-}" = --soak ]; then export GRAPH_SOAK=1; fi
export GRAPH_TEST_SEED=${GRAPH_TEST_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
echo "GRAPH_TEST_SEED=$GRAPH_TEST_SEED"

log=$(mktemp)
steps=()
finish() {
    local status=$?
    echo
    printf '%-28s %7s\n' step seconds "${steps[@]}"
    if [ "$status" = 0 ]; then
        echo "$closing"
    else
        grep -aE '^[^ ]+ Test .* recorded an issue' "$log" | cut -c 1-300 | tail -n 8 >&2 || :
        echo "run-tests.sh: failed in the step \"$current\", GRAPH_TEST_SEED=$GRAPH_TEST_SEED" >&2
    fi
    rm -f "$log"
}
trap finish EXIT

step() {
    local start=$SECONDS
    current=$1
    shift
    echo "== $current"
    "$@"
    steps+=("$current" $((SECONDS - start)))
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
        tee "$log"
    closing=$(grep -aE '^[^ ]+ Test run with ' "$log" | tail -n 1)
}

# What the benchmarks take for slower, by samples that this machine gives.
test_measuring() {
    local line=(swift build -c release --build-tests --package-path benchmarks/Measure --scratch-path .build/measure)
    "${line[@]}"
    NO_COLOR=1 "$("${line[@]}" --show-bin-path)"/*PackageTests.xctest --testing-library swift-testing --no-parallel
}

# A test that no longer runs must be noticed. The soak may skip less, never more.
compare_skipped() {
    local skipped known=$1
    skipped=$(sed -nE 's/^[^ ]+ Test (.*) (skipped(: ".*"|\.)|was cancelled after .*)$/\1/p' "$log" |
        tr -d '"' | LC_ALL=C sort -u)
    if [ -n "${GRAPH_SOAK-}" ]; then
        skipped=$(LC_ALL=C sort -u "$known" - <<<"$skipped")
    fi
    diff -u --label "$known" --label 'skipped in this run' \
        "$known" <(printf '%s' "${skipped:+$skipped$'\n'}")
}

# For release, as users run it: the random campaigns take ten times as long built for debugging.
step 'build tests' swift build -c release --build-tests
step 'build graphctl' make --no-print-directory build
export GRAPHCTL=$PWD/.build/static/release/graphctl
step 'make image' make_image
# First what an unprivileged user can do, as root of a user namespace; then everything.
user=(Tests/scripts/in-userns.sh)
step 'tests in a user namespace' run_suite \
    --filter 'DriverConformanceTests|GraphSystemTests|GraphStoreTests|GraphImageTests|graphctlTests'
step 'skipped there' compare_skipped Tests/skipped-in-userns.txt
user=()
# What is about device mapper runs under a kernel that has it, and nowhere else.
step 'tests' run_suite --skip '^DeviceMapperTests[.]'
step 'skipped' compare_skipped Tests/skipped.txt
all=$closing
cuts=20
[ -z "${GRAPH_SOAK-}" ] || cuts=500
step 'power cuts' Tests/scripts/isolated.sh Tests/scripts/power-cuts.sh $cuts
step 'tests of devicemapper' Tests/scripts/uml-tests.sh
step 'tests of measuring' test_measuring
closing=$all
