#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# in-userns.sh COMMAND…: runs COMMAND as root of a fresh user namespace, which is an unprivileged user
# (ids 100000 to 165535) outside, with a mount namespace, a TMPDIR of its own and GRAPH_IN_USERNS=1;
# of the environment it gets what listed-env.sh lists.
# Needs root itself, to write the maps without touching /etc/subuid.
set -euo pipefail

first=100000 count=65536
[ "$(id -u)" = 0 ] || { echo "in-userns.sh: needs root to map $count ids" >&2; exit 1; }
outside() { setpriv --reuid="$first" --regid="$first" --clear-groups "$@"; }

scratch=$(mktemp -d "${TMPDIR:-/tmp}/graph-userns.XXXXXX")
chmod 0711 "$scratch"
install -d -o "$first" -g "$first" "$scratch/tmp"

# The holder creates the namespaces without any privilege, and ends when its input does.
coproc HOLDER { exec setpriv --reuid="$first" --regid="$first" --clear-groups \
    unshare --user --mount --propagation private sh -c 'echo ready; exec cat'; }
# shellcheck disable=SC2153 # HOLDER_PID is set by coproc
holder=$HOLDER_PID
trap 'kill "$holder" 2>/dev/null || true; rm -rf --one-file-system "$scratch"' EXIT
read -r _ <&"${HOLDER[0]}"
echo "0 $first $count" >"/proc/$holder/uid_map"
echo "0 $first $count" >"/proc/$holder/gid_map"

# What the tests read may lie below a home directory of mode 0700. Each such path is kept aside by a
# bind mount, an empty file system covers the closed directory, and the paths are put back into it.
closed_ancestor() {
    local path=$1 closed=
    while [ "$path" != / ]; do
        outside test -x "$path" || closed=$path
        path=$(dirname "$path")
    done
    echo "$closed"
}
expose() {
    local i
    for i in "${!hidden[@]}"; do
        mkdir "$scratch/$i"
        mount --bind "${hidden[i]}" "$scratch/$i"
    done
    for i in "${!covered[@]}"; do mount -t tmpfs -o mode=0755 tmpfs "${covered[i]}"; done
    for i in "${!hidden[@]}"; do
        mkdir -p "${hidden[i]}"
        mount --move "$scratch/$i" "${hidden[i]}"
    done
}
paths=("$PWD" "$(TMPDIR=$scratch swiftc -print-target-info | jq -r .paths.runtimeResourcePath)")
[ -z "${GRAPH_TEST_IMAGE-}" ] || paths+=("$(dirname "$GRAPH_TEST_IMAGE")")
hidden=()
declare -A closed=()
for path in "${paths[@]}"; do
    ancestor=$(closed_ancestor "$path")
    [ -z "$ancestor" ] || { hidden+=("$path"); closed[$ancestor]=1; }
done
covered=("${!closed[@]}")
nsenter --target "$holder" --mount bash -euc "$(declare -p scratch hidden covered; declare -f expose); expose"

status=0
"$(dirname "$0")/listed-env.sh" machine nsenter --target "$holder" --user --mount --setuid 0 --setgid 0 \
    env -u XDG_CACHE_HOME TMPDIR="$scratch/tmp" HOME="$scratch/tmp" GRAPH_IN_USERNS=1 \
    sh -c 'cd "$0" && exec "$@"' "$PWD" "$@" || status=$?
exit "$status"
