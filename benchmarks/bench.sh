#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# bench.sh [--full] [DIRECTORY]: builds graphbench and graphctl, runs copy-up, layers and io on filesystems
# made below DIRECTORY (default /var/tmp), and writes the results and a page of them to .build/bench.
# Quick takes two minutes beside the builds and 5 GiB of disk, --full half an hour and 31 GiB.
set -euo pipefail
cd "$(dirname "$0")/.."
effort=--quick
if [ "${1-}" = --full ]; then effort=--full; shift; fi
directory=$(realpath "${1-/var/tmp}")

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
# To compare with, where Debian has them. containerd would start a service of the machine: it is
# measured where it is installed.
for package in fio containers-storage; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] ||
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get -qy --no-install-recommends install "$package" </dev/null >/dev/null ||
        echo "bench.sh: $package is not to be had, and not measured" >&2
done

make --no-print-directory build
swift build -c release --package-path benchmarks --product graphbench
graphbench=$(swift build -c release --package-path benchmarks --show-bin-path)/graphbench

results=.build/bench
mkdir -p "$results"
measure() {
    local command=$1
    shift
    echo "== graphbench $command $effort"
    "${as_root[@]}" Tests/scripts/listed-env.sh machine "$graphbench" "$command" "$effort" --directory "$directory" \
        --output "$results/$command.json" "$@" >"$results/$command.txt"
    tail -n 1 "$results/$command.txt"
}
measure copy-up
measure layers --graphctl "$PWD/.build/static/release/graphctl"
measure io
"$graphbench" report "$results"/{copy-up,layers,io}.json --html "$results/report.html" --standings
echo "results: $PWD/$results/*.json, tables: *.txt, page: $PWD/$results/report.html"
