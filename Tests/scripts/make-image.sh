#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# Makes the real images that the tests and the demo use, once a machine, and prints the path of the
# Debian one (an OCI layout with the tag `debian`). Needs root, umoci, skopeo, mmdebstrap and
# busybox-static. Beside it lie image.oci.tar and image.docker.tar, the same image as archives,
# and busybox, a small OCI layout with the tag `busybox`.
set -euo pipefail
scripts=$(realpath "$(dirname "$0")")
[ "${1-}" = --inside ] || exec "$scripts/listed-env.sh" machine "$scripts/make-image.sh" --inside
exec 3>&1 1>&2

[ "$(id -u)" = 0 ] || { echo "make-image.sh: needs root (owners, devices, capabilities)"; exit 1; }

# shellcheck source=package-sources.sh
. "$scripts/package-sources.sh"

# Nothing of this machine's environment is for those who make an image, and programs in it.
in_image() { "$scripts/listed-env.sh" "tree=$1" "${@:2}"; }

# Layer 1: as mmdebstrap writes it with GNU tar (GNU headers, names with ./, /dev before the root).
base_layer() {
    transport_settings >transport.conf
    debian_sources >sources.list
    echo 'Dpkg::Use-Pty "false";' >>transport.conf # a chroot has no /dev/pts
    "$scripts/listed-env.sh" debian mmdebstrap --variant=minbase --format=tar --aptopt=transport.conf bookworm base.tar - <sources.list
    umoci raw add-layer --image oci:debian --history.created_by mmdebstrap base.tar
}

# Layer 2: packages with file capabilities (ping), set-id directories (cron), hard links (bzip2, unzip),
# names outside ASCII (ca-certificates), and a script language. None of them starts a service.
install_layer() {
    in_image "$rootfs" apt-get -q update
    in_image "$rootfs" apt-get -qy --no-install-recommends install \
        python3-minimal iputils-ping bzip2 unzip ca-certificates bsdextrautils cron-daemon-common
    tidy_packages
    setfattr -n user.graph.origin -v 'install layer' "$rootfs/etc/hostname"
    setfacl -m u:1000:rw,g:1000:r "$rootfs/etc/issue"
    mkdir -p "$rootfs/etc/site" && echo 'color = blue' >"$rootfs/etc/site/color.conf"
    echo 'a file that becomes a directory' >"$rootfs/etc/site.d"
}

# Layer 3: purged packages of both layers leave whiteouts of files and of whole directories (usrmerge
# holds perl, so its replacement comes first); configuration that is changed, changed in mode and
# owner only, and replaced by something of another type.
purge_layer() {
    in_image "$rootfs" apt-get -q update
    in_image "$rootfs" apt-get -qy install usr-is-merged
    in_image "$rootfs" apt-get -qy --autoremove purge \
        perl perl-modules-5.36 libperl5.36 bzip2 bsdextrautils cron-daemon-common
    tidy_packages
    echo 'Welcome to the test image.' >"$rootfs/etc/motd"
    chmod 0600 "$rootfs/etc/issue.net"
    chmod 0750 "$rootfs/usr/bin/unzip" # changes zipinfo too, a hard link to it
    chown 1000:1000 "$rootfs/etc/site"
    rm "$rootfs/etc/site.d" && mkdir "$rootfs/etc/site.d" && mv "$rootfs/etc/site/color.conf" "$rootfs/etc/site.d/"
    rmdir "$rootfs/srv" && ln -s var/srv "$rootfs/srv" && mkdir "$rootfs/var/srv"
    mkfifo -m 0620 "$rootfs/var/srv/queue"
}

# What an image build leaves out: package lists, archives and logs.
tidy_packages() {
    in_image "$rootfs" apt-get -q clean
    find "$rootfs"/var/{lib/apt/lists,log,cache/ldconfig,cache/debconf} -type f -delete
}

debian_image() {
    local rootfs=bundle/rootfs
    umoci init --layout oci
    umoci new --image oci:debian
    base_layer
    umoci unpack --image oci:debian bundle
    install_layer
    umoci repack --refresh-bundle --image oci:debian --history.created_by 'apt-get install' bundle
    purge_layer
    umoci repack --image oci:debian --history.created_by 'apt-get purge' bundle
    umoci config --image oci:debian --config.cmd /bin/bash --config.env PATH=/usr/sbin:/usr/bin:/sbin:/bin
    umoci gc --layout oci
    skopeo --insecure-policy copy -q oci:oci:debian oci-archive:image.oci.tar:debian
    skopeo --insecure-policy copy -q oci:oci:debian docker-archive:image.docker.tar:debian:latest
}

# Two layers: below by GNU tar in the PAX format, with times in nanoseconds and some 270 hard links to
# one program; above by umoci, with whiteouts.
busybox_image() {
    local rootfs=first
    umoci init --layout busybox
    umoci new --image busybox:busybox
    mkdir -p "$rootfs"/bin "$rootfs"/etc/init.d "$rootfs"/tmp && chmod 1777 "$rootfs/tmp"
    cp "$(command -v busybox)" "$rootfs/bin/busybox"
    in_image "$rootfs" /bin/busybox --install /bin
    echo 'root:x:0:0:root:/:/bin/sh' >"$rootfs/etc/passwd"
    echo '#!/bin/sh' >"$rootfs/etc/init.d/rcS"
    tar -C "$rootfs" --format=posix --xattrs --acls --numeric-owner --sort=name -cf first.tar .
    umoci raw add-layer --image busybox:busybox --history.created_by busybox first.tar
    umoci unpack --image busybox:busybox small
    rootfs=small/rootfs
    rm -r "$rootfs/bin/vi" "$rootfs/etc/init.d"
    echo small >"$rootfs/etc/hostname"
    umoci repack --image busybox:busybox --history.created_by 'remove and add' small
    umoci config --image busybox:busybox --config.cmd /bin/sh
    umoci gc --layout busybox
}

# Refuses an image whose own package manager finds it damaged.
verify_image() {
    local report
    umoci unpack --image oci:debian check
    report=$(in_image check/rootfs dpkg --verify)
    [ -z "$report" ] || { echo "make-image.sh: dpkg --verify in the image: $report"; exit 1; }
    in_image check/rootfs python3 -c 'import sys, os; assert os.path.islink("/srv")'
    in_image check/rootfs perl -e 'exit(-p "/srv/queue" ? 0 : 1)'
}

# The version is a hash of the functions above (without comments): a changed recipe makes new images.
cache=${GRAPH_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/graph-test-images}
images=$cache/$(declare -f | sha256sum | cut -c1-12)
mkdir -p "$cache"
cache=$(realpath "$cache") images=$(realpath -m "$images")
exec 9>"$cache/lock"
flock 9
if [ ! -d "$images" ]; then
    rm -rf "$cache"/build.*
    work=$(mktemp -d "$cache/build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    debian_image
    busybox_image
    verify_image
    rm -rf base.tar first.tar first bundle small check sources.list transport.conf
    cd /
    chmod 0755 "$work"
    mv "$work" "$images"
fi
echo "$images/oci" >&3
