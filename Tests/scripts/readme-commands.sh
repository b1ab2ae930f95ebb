#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# readme-commands.sh: runs the lines that README.md has under "Use the command", word by word, on the test image
# and a new store, with the command that GRAPHCTL names. As root. The last line says how many they were.
set -euo pipefail
cd "$(dirname "$0")/../.."
GRAPHCTL=$(realpath "${GRAPHCTL:-.build/static/release/graphctl}")
image=${GRAPH_TEST_IMAGE:-$(Tests/scripts/make-image.sh)}
readme=$PWD/README.md

work=$(mktemp -d "${TMPDIR:-/tmp}/graph-readme.XXXXXX")
trap 'umount "$work"/run/mnt/* 2>/dev/null || :; rm -rf --one-file-system "$work"' EXIT
export GRAPHCTL_ROOT=$work/root GRAPHCTL_RUN_ROOT=$work/run
mkdir "$work/bin"
ln -s "$GRAPHCTL" "$work/bin/graphctl"
PATH=$work/bin:$PATH

cd "$work"
ln -s "$(dirname "$image")/image.oci.tar" debian.oci.tar
sed -n '/^## Use the command/,/^## /s/^# //p' "$readme" >commands
[ "$(wc -l <commands)" -ge 5 ] || { echo "readme-commands.sh: README.md has no commands any more" >&2; exit 1; }
bash -ex commands
[ -z "$(graphctl ls -q)$(graphctl images -q)" ] || { echo 'readme-commands.sh: something is left' >&2; exit 1; }
echo "$(wc -l <commands) lines of README.md did what they say"
