#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# images.sh [DRIVER…]: images that other programs made here come in and go out again. For each image of
# makers.sh (docker, buildah, podman, umoci, skopeo, mmdebstrap) and as-others.py (as Bazel, ko, jib, Nix and
# kaniko write them): it is imported on each driver under the digest of its configuration, its tree is what umoci
# unpacks of it, and it is exported as a layout, an oci-archive and a docker-archive, with the manifest that it
# came with where it had one. All drivers write the same bytes. skopeo, podman and docker read those, with the
# same digests; the tree of podman's is the same again.
# As root, called by isolated.sh; in a mount namespace of its own, where the daemon and podman may leave what they
# like in /run and /etc. GRAPHCTL is the command to test.
set -euo pipefail
if [ "${1-}" != --inside ]; then exec unshare --mount --propagation private "$0" --inside "$@"; fi
shift
scripts=$(realpath "$(dirname "$0")")
GRAPHCTL=$(realpath "${GRAPHCTL:-.build/static/release/graphctl}")
work=$(mktemp -d "${TMPDIR:-/tmp}/graph-foreign.XXXXXX")
images=$work/images stores=$work/stores content=$work/content daemon=
short=/run/graph.$$ # podman wants no longer path for what runs, and no capital letters in one that it reads
mount -t tmpfs tmpfs /run
mkdir "$short" /run/etc /run/etc-work
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/etc-work overlay /etc
mkdir "$images" "$stores" "$content"
[ $# -gt 0 ] || set -- overlay vfs btrfs
started=$SECONDS name=

# shellcheck source=makers.sh
. "$scripts/makers.sh"

# shellcheck disable=SC2317 # called by the trap
finish() {
    local status=$? driver
    [ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null || :
    awk -v "below=$work/" -v "short=$short/" 'index($5, below) == 1 || index($5, short) == 1 { print $5 }' /proc/self/mountinfo | tac | xargs -rn 1 umount -l
    [ -z "${GRAPH_TEST_BTRFS-}" ] || for driver in "$GRAPH_TEST_BTRFS"/foreign/btrfs/*; do
        btrfs subvolume delete "$driver" >/dev/null 2>&1 || :
    done
    rm -rf --one-file-system "$work" "$short" ${GRAPH_TEST_BTRFS:+"$GRAPH_TEST_BTRFS/foreign"}
    [ "$status" = 0 ] || echo "images.sh: failed${name:+ with $name}" >&2
}
trap finish EXIT
fail() {
    echo "images.sh: $name: $*" >&2
    exit 1
}

# One image: its name here, where it is for graphctl, and where for skopeo, which does not read all that graphctl reads.
list() { echo "$1 $2 ${3:-$2}" >>"$work/list"; }

# Everything of a tree that a layer says something about; of directories not the time, which members that nobody
# named get by the clock from others.
listing() (
    cd "$1"
    find . -mindepth 1 \( -type d -printf '%P %y %m %U:%G\n' -o -printf '%P %y %m %U:%G %n %s %T@ %l\n' \) | LC_ALL=C sort
    find . -type f -exec sha256sum {} + | LC_ALL=C sort -k 2
    getfattr --recursive --physical --no-dereference --dump --match - . 2>/dev/null | LC_ALL=C sort
)

# What umoci unpacks of an image, read by skopeo; umoci 0.4 knows gzip alone.
expect() { # SKOPEO-LOCATION
    local plain=$work/plain layout=$work/layout
    skopeo_there copy -q --dest-decompress "$1" "dir:$plain"
    skopeo_there copy -q "dir:$plain" "oci:$layout:x"
    umoci unpack --image "$layout:x" "$work/bundle" 2>"$work/log" || fail "umoci: $(cat "$work/log")"
    listing "$work/bundle/rootfs" >"$work/expected.$name"
    skopeo_there inspect --raw --config "$1" | sha256sum | cut -c -64 >"$work/id.$name"
    rm -rf "$plain" "$layout" "$work/bundle"
}

graph() { "$GRAPHCTL" --root "$root" --run-root "$work/run-$driver" --driver "$driver" "$@"; }

compare() { # WHOSE TREE
    listing "$2" | diff "$work/expected.$name" - >&2 || fail "$driver: the tree of $1 is another"
}

# In, looked at, and out in three forms.
pass_through() { # LOCATION
    local out=$short/out-$driver id view
    rm -rf "$out" && mkdir "$out"
    id=$(graph import --keep-blobs "$1")
    [ "$id" = "$(cat "$work/id.$name")" ] || fail "$driver: the image is $id"
    view=$(graph view --parent "$id")
    compare graphctl "$(graph mount "$view")"
    graph unmount "$view" >/dev/null && graph rm "$view" >/dev/null
    graph export "$id" "oci:$out/oci:app" >"$out/manifest" 2>"$work/log"
    graph export "$id" "oci-archive:$out/oci.tar:app" >/dev/null 2>&1
    graph export "$id" "docker-archive:$out/docker.tar:foreign/app:1" >/dev/null
    graph rmi "$id" >/dev/null
    [ -z "$(graph ls -q)$(graph check --deep)" ] || fail "$driver: something is left in the store"
    (cd "$out" && find . -type f -exec sha256sum {} + | LC_ALL=C sort) >"$work/sums-$driver"
}

# What others say of what was written.
read_back() { # SKOPEO-LOCATION OUT
    local form id found manifest
    id=sha256:$(cat "$work/id.$name")
    manifest=sha256:$(skopeo_there inspect --raw "oci:$2/oci:app" | sha256sum | cut -c -64)
    [ "$manifest" = "$(cat "$2/manifest")" ] || fail "the manifest is $manifest for skopeo"
    # A docker-archive has no manifest, and one of docker's types becomes OCI's.
    skopeo_there inspect --raw "$1" >"$work/manifest"
    if [[ $1 != docker-archive:* ]] && ! grep -q docker.distribution.manifest "$work/manifest"; then
        found=$(sha256sum <"$work/manifest" | cut -c -64)
        [ "sha256:$found" = "$manifest" ] || fail "the manifest came as $found and went as $manifest"
    fi
    for form in "oci:$2/oci:app" "oci-archive:$2/oci.tar:app" "docker-archive:$2/docker.tar"; do
        found=sha256:$(skopeo_there inspect --raw --config "$form" | sha256sum | cut -c -64)
        [ "$found" = "$id" ] || fail "skopeo finds the configuration $found in $form"
        found=$(podman_there pull --quiet "$form")
        [ "sha256:$found" = "$id" ] || fail "podman finds the image $found in $form"
        if [ -s "$work/expected.$name" ]; then # it mounts nothing of an image without layers
            # It keeps no access lists.
            listing "$(podman_there image mount "$found")" >"$work/listed"
            diff <(grep -v ^system.posix_acl "$work/expected.$name") <(grep -v ^system.posix_acl "$work/listed") |
                grep '^[<>] [^#]' >&2 && fail "the tree of podman, of $form, is another"
        fi
        podman_there image umount "$found" >/dev/null && podman_there rmi --force "$found" >/dev/null
    done
    docker_there load --quiet --input "$2/docker.tar" >/dev/null
    found=$(docker_there image inspect --format '{{.Id}}' foreign/app:1)
    [ "$found" = "$id" ] || fail "docker finds the image $found"
    docker_there rmi --force "$found" >/dev/null
}

echo 'images.sh: making images'
make_content
configure_podman
start_docker
images_of_docker >/dev/null
images_of_buildah >/dev/null
images_of_podman >/dev/null
images_of_umoci >/dev/null 2>&1
images_of_skopeo
image_of_mmdebstrap
python3 "$scripts/as-others.py" "$images/others" >"$work/others"
while read -r name location; do list "$name" "$location"; done <"$work/others"
docker_there rmi --force foreign/app:1 foreign/app:2 foreign/base:1 >/dev/null
echo "images.sh: $(wc -l <"$work/list") images made in $((SECONDS - started)) seconds"

while read -r name location readable <&3; do
    expect "$readable"
    for driver; do
        root=$work/$driver
        [ "$driver" != btrfs ] || root=${GRAPH_TEST_BTRFS:?}/foreign
        mkdir -p "$root"
        pass_through "$location"
        cmp -s "$work/sums-$1" "$work/sums-$driver" || fail "$driver writes other bytes than $1"
    done
    read_back "$readable" "$short/out-$1"
done 3<"$work/list"
name=
echo "images.sh: $(wc -l <"$work/list") images by docker, buildah, podman, umoci, skopeo and as Bazel, ko, jib," \
    "Nix and kaniko write them passed through $* in $((SECONDS - started)) seconds"
