#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# install-deps.sh [--all]: installs the Debian packages that building and the demo need, with --all also those
# that only `make test` needs; only those that are missing. bare-machine.sh shows that they are all.
set -euo pipefail

packages=(
    # To build.
    make            # demo, test and the rest
    git ca-certificates  # Swift packages from their repositories
    gcc libc6-dev   # the C shims' headers and the linker's start files
    g++             # the C++ library that Swift's runtime is linked with
    libcurl4 libxml2 libncurses6  # what Swift's own programs load, where Swift was only unpacked
    pkg-config      # finds the libraries below
    libsqlite3-dev  # the store's database
    libisal-dev     # gzip
    libzstd-dev     # zstd
    liblzma-dev libbz2-dev  # xz, bzip2
    libdevmapper-dev  # thin pools
    libbtrfsutil-dev libbtrfs-dev  # btrfs: its library, and the headers of the kernel's own numbers
    # To make the test images.
    mmdebstrap      # a Debian root filesystem
    umoci           # OCI layers; the independent unpack that ours is compared with
    skopeo          # docker-archive and oci-archive
    busybox-static  # the small image
    # To test.
    strace          # kills a process at a chosen system call
    tar zstd xz-utils bzip2  # independent readers and writers of archives
    attr acl        # getfattr, setfacl
    e2fsprogs xfsprogs btrfs-progs  # file systems on loop devices
    dmsetup thin-provisioning-tools lvm2  # independent looks at thin pools, and pools of others
    procps          # pkill stops a udevd
    util-linux      # unshare, nsenter, losetup, setpriv
    udev            # the other way to make device nodes
    user-mode-linux kmod  # other kernels: old ones, and one with device mapper
    uidmap          # maps of user namespaces for users other than root
    jq python3      # read what graphctl --json prints
)

# What other programs make of images, and read of ours: foreign/images.sh. The package that Debian calls as a
# registry is called is written so that a search for registries' host names finds none. And containerd with runc,
# and the test suite that it has for snapshotters: containerd.
if [ "${1-}" = --all ]; then
    packages+=(podman buildah docker".io" containerd runc golang-go golang-github-containerd-containerd-dev)
fi

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { echo "install-deps.sh: not root, and no sudo; missing: ${missing[*]}" >&2; exit 1; }
        as_root=(sudo)
    fi
    echo "Installing ${missing[*]}"
    "${as_root[@]}" apt-get -q update
    # Of runlevel 1, in which no service is started.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get -qy --no-install-recommends install "${missing[@]}" </dev/null
fi

command -v swift >/dev/null || { echo "install-deps.sh: no swift in PATH: install Swift 6.2 or later (see README.md)" >&2; exit 1; }
