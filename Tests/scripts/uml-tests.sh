#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# uml-tests.sh [PART FILESYSTEM]: runs what is about device mapper under a kernel that has it, with layers on
# FILESYSTEM (ext4 or xfs). PART is
#   promises    the driver's, and full pools
#   records     records that are lost or damaged
#   main-job    the main job on the Debian image
#   kills       commands killed before calls that change something
#   power-cuts  the power cut while a store works
#   udev        the driver's own, and commands killed, where a udevd makes the nodes in /dev
# Without arguments it runs them all on both; `uml-tests.sh --parts` prints these, the longest first. Uses the
# test bundle that was built for release, or the one that BUNDLE names, and the command that GRAPHCTL names.
# The last line sums up. GRAPH_SOAK=1 kills at each point and cuts the power 50 times on each.
set -euo pipefail
cd "$(dirname "$0")/../.."
parts=('promises ext4' 'promises xfs' 'main-job ext4' 'main-job xfs' 'power-cuts ext4' 'power-cuts xfs'
    'records ext4' 'kills ext4' 'kills xfs' 'udev ext4')
if [ "${1-}" = --parts ]; then
    printf '%s\n' "${parts[@]}"
    exit
fi
if [ $# = 0 ]; then
    start=$SECONDS
    for part in "${parts[@]}"; do
        read -ra words <<<"$part"
        "$0" "${words[@]}"
    done
    echo "devicemapper: all parts passed in $((SECONDS - start)) seconds"
    exit
fi

part=$1 filesystem=$2
bundle=${BUNDLE:-$(echo "$PWD"/.build/release/*PackageTests.xctest)}
cuts=10 kill_seconds=25
# In a kernel that is slow at system calls these take longer than all others together.
slow='unpacked as a layer by umoci|from a layout, an oci-archive'
if [ -n "${GRAPH_SOAK-}" ]; then cuts=50 kill_seconds=0 slow='no test has this name'; fi
# Other drivers' own promises, and those about the filesystem that trees lie on with the store; umoci, where files
# outside of layers take no attributes.
others='^DriverConformanceTests[.](Btrfs|SendStream|Overlay|VFS|Filesystem)|what is mounted in a removed layer|what a power cut took of a new layer|unpacked as umoci does|committed while mounted takes no more changes|what all layers take is'
# Disks in memory, where there is room: what is written to them is nobody's.
if [ -z "${TMPDIR-}" ] && [ "$(df --output=avail -B1G /dev/shm | tail -n 1)" -ge 16 ]; then
    export TMPDIR=/dev/shm
fi
work=$(mktemp -d)
log=$work/log
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM
start=$SECONDS

# The guest's kernel sometimes ends by itself, in the middle of anything; then it did not test.
guest() {
    local status=125 try
    for try in 1 2 3; do
        status=0
        Tests/scripts/uml-run.sh -m 3G -t 900 -d "$work/disk" -- "$@" 2>&1 | tee "$log" || status=$?
        case $status in
        125) echo "uml-tests.sh: the guest's kernel ended by itself, time $try" >&2 ;;
        124) echo "uml-tests.sh: the guest gave no answer for 900 seconds, time $try" >&2 ;;
        *) return "$status" ;;
        esac
    done
    return "$status"
}

# A pass of the test bundle in a fresh guest; nothing may be skipped there.
run_suite() {
    local skipped passed
    truncate -s 8G "$work/disk"
    guest "$bundle" --testing-library swift-testing --no-parallel "$@"
    if skipped=$(grep -aE '^[^ ]+ Test .* (skipped|was cancelled)' "$log"); then
        echo "uml-tests.sh: skipped under a kernel that has device mapper: $skipped" >&2
        exit 1
    fi
    passed=$(sed -nE 's/^[^ ]+ Test run with ([0-9]+) tests? .* passed after .*/\1/p' "$log")
    echo "devicemapper: $passed tests of \"$part\" on $filesystem passed in $((SECONDS - start)) seconds"
}

export GRAPH_TEST_DRIVER=devicemapper GRAPH_TEST_DM_FS=$filesystem NO_COLOR=1
case $part in
promises)
    # What is counted there does not depend on the filesystem.
    once=$([ "$filesystem" = ext4 ] || [ -n "${GRAPH_SOAK-}" ] || echo '|a thousand cycles')
    run_suite --filter '^(DriverConformanceTests|DeviceMapperTests)[.]' --skip "$others$once"
    ;;
main-job)
    GRAPH_TEST_DM_SIZE=2G GRAPH_TEST_DM_DATA=4G UML_DISK=1 \
        run_suite --filter '^MainJobTests[.]' --skip "$slow"
    ;;
records)
    # What 200 moments take in a guest is more than it is given: as many guests, each with its own choices.
    runs=1
    [ -z "${GRAPH_SOAK-}" ] || runs=5
    for ((run = 0; run < runs; run++)); do
        GRAPH_TEST_MOMENTS=$((runs == 1 ? 10 : 40)) GRAPH_TEST_SEED=$((${GRAPH_TEST_SEED:-1} + run)) \
            run_suite --filter '^RecoveryTests[.]RecordsLostTests/.*nothing sealed'
    done
    ;;
kills) Tests/scripts/uml-kills.sh "$kill_seconds" "$filesystem" ;;
power-cuts) Tests/scripts/uml-power-cuts.sh "$cuts" "$filesystem" ;;
udev)
    export UML_UDEV=1
    # Thousands of volumes until a pool is full are as many events, for which udevd takes minutes here.
    flood='FullPoolTests'
    if [ -n "${GRAPH_SOAK-}" ]; then
        # As many random rounds as elsewhere would take more than a guest is given.
        soak=$GRAPH_SOAK
        unset GRAPH_SOAK
        long='(OddArchive|DeepCheck|LayerHistory|LayerModelMount|CanonicalDigest|UseCampaign)'
        run_suite --filter "^DriverConformanceTests[.]$long" --skip "$others"
        run_suite --filter '^DriverConformanceTests[.]' --skip "$others|$long"
        GRAPH_TEST_CYCLES=1000 run_suite --filter '^DeviceMapperTests[.]' --skip "$flood"
        export GRAPH_SOAK=$soak
    else
        GRAPH_TEST_CYCLES=50 run_suite --filter '^DeviceMapperTests[.]' --skip "$flood"
    fi
    Tests/scripts/uml-kills.sh "$kill_seconds" "$filesystem"
    ;;
*) sed -n '5,14s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
esac
