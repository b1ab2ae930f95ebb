#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# build.sh FILE: builds the program that times the peers in one process, of Debian's packages and nothing else.
set -euo pipefail
packages=(golang-go golang-github-containerd-containerd-dev golang-github-containers-storage-dev
    golang-github-ulikunitz-xz-dev libbtrfs-dev libdevmapper-dev)
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "build.sh: install ${missing[*]}" >&2
    exit 1
fi
target=$(realpath -m "$1")
cd "$(dirname "$0")"
GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS=-buildvcs=false go build -o "$target" .
