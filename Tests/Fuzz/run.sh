#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# run.sh [RUNS]: feeds the parsers of untrusted bytes with RUNS inputs each (default 10,000,000), starting
# from Tests/Fuzz/corpus and adding to it what reaches new code. A finding is a file crash-*, and the status 1.
set -euo pipefail
cd "$(dirname "$0")"
runs=${1-10000000}

# For release: ten times as many inputs in the same time, and every trap of Swift is still in it.
swift build -c release --sanitize=fuzzer --product fuzz 2>&1 | tail -n 1
fuzz=$(swift build -c release --sanitize=fuzzer --show-bin-path)/fuzz
for parser in tar codec recipe send search; do
    mkdir -p "corpus/$parser"
    work=$(mktemp -d)
    echo "== $parser"
    GRAPH_FUZZ=$parser "$fuzz" -runs="$runs" -max_len=16384 -rss_limit_mb=1024 -timeout=20 -print_final_stats=1 \
        -artifact_prefix="crash-$parser-" "$work" "corpus/$parser" 2>&1 | tail -n 8
    # The smallest set of inputs that reaches as much.
    GRAPH_FUZZ=$parser "$fuzz" -merge=1 -max_len=16384 "corpus/$parser" "$work" 2>&1 | tail -n 1
    rm -rf "$work"
done
