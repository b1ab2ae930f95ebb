#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# store-scale.sh [FOLDER]: what create, mount, unmount and remove cost in a store of 10 layers and in
# one of 10,000 (both below FOLDER, on the filesystem to be measured; default /var/tmp), and how long
# graphctl takes to start. Needs root. SMALL, LARGE and ROUNDS change the numbers.
set -euo pipefail
cd "$(dirname "$0")/.."
base=$(realpath "${1-/var/tmp}")

swift build -c release --package-path benchmarks --product store-scale >&2
make --no-print-directory build >&2

echo "machine: $(nproc) processors, Linux $(uname -r), $(stat -f -c %T "$base") below $base"
work=$(mktemp -d "$base/store-scale.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
unshare --mount --propagation private \
    "$(swift build -c release --package-path benchmarks --show-bin-path)/store-scale" \
    "$work" "${SMALL-10}" "${LARGE-10000}" "${ROUNDS-500}"

graphctl=$PWD/.build/static/release/graphctl
if command -v hyperfine >/dev/null; then
    hyperfine --shell=none --warmup 20 --runs 200 --style basic "$graphctl --version" |
        sed -nE 's/^ *(Time|Range)/graphctl --version: \1/p'
else
    start=$(date +%s%N)
    for _ in $(seq 200); do "$graphctl" --version >/dev/null; done
    echo "graphctl --version: $((($(date +%s%N) - start) / 200000)) microseconds, fork included"
fi
