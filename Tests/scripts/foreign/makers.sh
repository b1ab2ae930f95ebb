# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# Sourced by images.sh: how the programs of others make images below $images, and which they are:
# each maker lists NAME and LOCATION, as skopeo(1) writes locations. Their stores lie below $stores and $short.
# shellcheck shell=bash disable=SC2154 # the folders are those of who sources this

# Their daemon and stores touch nothing of the machine's own.
docker_there() { docker --host "unix://$stores/docker.sock" --config "$stores/docker-config" "$@"; }
podman_there() {
    CONTAINERS_CONF=$stores/containers.conf podman --root "$stores/podman" --runroot "$short/podman" --tmpdir "$short/libpod" \
        --storage-driver vfs --cgroup-manager cgroupfs --events-backend none "$@"
}
buildah_there() {
    buildah --root "$stores/buildah" --runroot "$short/buildah" --storage-driver vfs "$@"
}
skopeo_there() { skopeo --insecure-policy --tmpdir "$stores" "$@"; }

start_docker() {
    local try
    mkdir -p "$stores/docker-config"
    dockerd --data-root "$stores/docker" --exec-root "$short/docker-run" --pidfile "$stores/docker.pid" \
        --host "unix://$stores/docker.sock" --storage-driver vfs --bridge none --iptables=false \
        --ip6tables=false >"$stores/dockerd.log" 2>&1 &
    daemon=$!
    for ((try = 0; try < 300; try++)); do
        docker_there version >/dev/null 2>&1 && return
        kill -0 "$daemon" || break
        sleep 0.1
    done
    tail "$stores/dockerd.log"
    return 1
}

# Locks in memory that all share would be the machine's.
configure_podman() { printf '[engine]\nlock_type = "file"\n' >"$stores/containers.conf"; }

# What a first layer has, of each kind of file, and what the ones above change.
make_content() {
    local base=$content/base
    mkdir -p "$base"/{bin,dev,etc/old,opt/dir,tmp,var/old/deep}
    chmod 1777 "$base/tmp"
    cp "$(command -v busybox)" "$base/bin/busybox"
    ln "$base/bin/busybox" "$base/bin/sh"
    ln -s ../bin/sh "$base/etc/shell"
    echo 'root:x:0:0::/:/bin/sh' >"$base/etc/passwd"
    echo changed >"$base/etc/motd"
    echo old | tee "$base"/{etc/old/file,opt/dir/old,var/old/deep/file} >/dev/null
    cp "$base/etc/motd" "$base/bin/set-id"
    chown 1000:1001 "$base/bin/set-id" && chmod 6755 "$base/bin/set-id"
    setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 "$base/bin/busybox"
    mkdir -p "$content/app/data"
    echo 'print("hello")' >"$content/app/main.py"
    head -c 100000 /dev/zero >"$content/app/data/zeros"
    ln -s main.py "$content/app/link"
    find "$content" -exec touch -h -d '2024-02-03 04:05:06' {} +
    tar -C "$base" --format posix --xattrs --xattrs-include '*' --numeric-owner --sort name -cf "$content/base.tar" .
}

# What a container does: removes, replaces, adds.
change_tree() {
    rm -r "$1/var/old" "$1/etc/motd" "$1/opt/dir"
    mkdir "$1/opt/dir" && echo new >"$1/opt/dir/new"
    echo more >>"$1/etc/passwd"
    cp -r "$content/app" "$1/srv"
}

images_of_docker() {
    local out=$images/docker
    mkdir -p "$out" "$content/build"
    cp -r "$content/app" "$content/build/"
    cat >"$content/build/Dockerfile" <<-'END'
	FROM foreign/base:1
	ENV LANG=C.UTF-8
	COPY --chown=1000:1001 app /srv/app
	RUN ["/bin/sh", "-c", "rm -r /var/old /etc/motd /opt/dir && mkdir /opt/dir && echo new >/opt/dir/new"]
	LABEL org.example.made=here
	USER 1000
	CMD ["/bin/sh"]
	END
    docker_there import "$content/base.tar" foreign/base:1
    docker_there build --quiet --network none --tag foreign/app:1 "$content/build" 2>/dev/null
    docker_there tag foreign/app:1 foreign/app:2
    docker_there save --output "$out/one.tar" foreign/app:1
    docker_there save --output "$out/base.tar" foreign/base:1
    docker_there save --output "$out/several.tar" foreign/base:1 foreign/app:1 foreign/app:2
    gzip --keep "$out/several.tar"
    mkdir "$out/folder" && tar -C "$out/folder" -xf "$out/one.tar"
    list docker-save "docker-archive:$out/one.tar:foreign/app:1"
    # What images share is a link in the archives of several, which skopeo 1.9 does not follow.
    local app=docker-archive:$out/one.tar:foreign/app:1
    list docker-save-second "docker-archive:$out/several.tar:foreign/app:2" "$app"
    list docker-save-base "docker-archive:$out/several.tar.gz:foreign/base:1" "docker-archive:$out/base.tar"
    list docker-save-unpacked "docker-archive:$out/folder:foreign/app:1" "$app"
}

images_of_buildah() {
    local out=$images/buildah first second
    mkdir -p "$out"
    first=$(buildah_there from scratch)
    buildah_there add --quiet "$first" "$content/base.tar" /
    buildah_there config --env LANG=C.UTF-8 --cmd /bin/sh --annotation org.example.made=here "$first"
    buildah_there commit --quiet "$first" base
    second=$(buildah_there from base)
    change_tree "$(buildah_there mount "$second")"
    buildah_there unmount "$second"
    buildah_there commit --quiet --format oci "$second" app
    buildah_there commit --quiet --format docker "$second" app-docker
    buildah_there push --quiet app "oci:$out/oci:app"
    buildah_there push --quiet --compression-format zstd app "oci:$out/zstd:app"
    buildah_there push --quiet --disable-compression app "oci-archive:$out/oci.tar:app"
    buildah_there push --quiet app-docker "docker-archive:$out/docker.tar:foreign/app:1"
    buildah_there push --quiet app-docker "dir:$out/dir"
    list buildah-oci "oci:$out/oci:app"
    list buildah-zstd "oci:$out/zstd:app"
    list buildah-oci-archive "oci-archive:$out/oci.tar:app"
    list buildah-docker-archive "docker-archive:$out/docker.tar:foreign/app:1"
    list buildah-dir "dir:$out/dir"
}

# Takes what docker made.
images_of_podman() {
    local out=$images/podman
    mkdir -p "$out"
    podman_there load --quiet --input "$images/docker/several.tar"
    podman_there import --quiet --message imported "$content/base.tar" foreign/imported:1
    podman_there save --quiet --format docker-archive --output "$out/docker.tar" foreign/app:1
    podman_there save --quiet --format oci-archive --output "$out/oci.tar" foreign/imported:1
    podman_there save --quiet --format oci-dir --output "$out/oci" foreign/app:1
    podman_there save --quiet --format docker-dir --compress --output "$out/dir" foreign/app:1
    podman_there save --quiet --multi-image-archive --output "$out/several.tar" foreign/app:1 foreign/imported:1
    list podman-docker-archive "docker-archive:$out/docker.tar"
    list podman-import "oci-archive:$out/oci.tar"
    list podman-oci-dir "oci:$out/oci"
    list podman-docker-dir "dir:$out/dir"
    list podman-multi "docker-archive:$out/several.tar:localhost/foreign/imported:1"
    podman_there rmi --all --force >/dev/null
}

# The Debian image of make-image.sh, as large as images are.
image_of_mmdebstrap() { list mmdebstrap "oci:${GRAPH_TEST_IMAGE:-$("$scripts/../make-image.sh")}:debian"; }

images_of_umoci() {
    local layout=$images/umoci
    umoci init --layout "$layout"
    umoci new --image "$layout:app"
    umoci raw add-layer --image "$layout:app" "$content/base.tar"
    umoci unpack --image "$layout:app" "$content/bundle"
    change_tree "$content/bundle/rootfs"
    umoci repack --image "$layout:app" "$content/bundle"
    umoci insert --image "$layout:app" --tag inserted "$content/app" /srv/inserted
    umoci insert --image "$layout:app" --tag deleted --whiteout /opt
    umoci config --image "$layout:app" --config.cmd /bin/sh
    umoci new --image "$layout:none"
    list umoci-repack "oci:$layout:app"
    list umoci-insert "oci:$layout:inserted"
    list umoci-whiteout "oci:$layout:deleted"
    list umoci-no-layers "oci:$layout:none"
}

# From what docker and buildah made, into every transport and compression.
images_of_skopeo() {
    local out=$images/skopeo from source of
    mkdir -p "$out"
    for of in docker buildah; do
        source=docker-archive:$images/docker/one.tar
        [ $of = docker ] || source=oci:$images/buildah/oci:app
        from=$out/$of
        skopeo_there copy -q "$source" "oci:$from-oci:app"
        skopeo_there copy -q --dest-compress-format zstd "$source" "oci:$from-zstd:app"
        skopeo_there copy -q --dest-oci-accept-uncompressed-layers "$source" "oci:$from-plain:app"
        skopeo_there copy -q "$source" "oci-archive:$from-oci.tar:app"
        skopeo_there copy -q "$source" "docker-archive:$from-docker.tar:foreign/app:1"
        skopeo_there copy -q --dest-compress "$source" "dir:$from-dir"
        skopeo_there copy -q --dest-decompress --format oci "$source" "dir:$from-dir-oci"
        skopeo_there copy -q --format v2s2 "$source" "dir:$from-dir-v2s2"
        list "skopeo-oci-of-$of" "oci:$from-oci:app"
        list "skopeo-oci-zstd-of-$of" "oci:$from-zstd:app"
        list "skopeo-oci-plain-of-$of" "oci:$from-plain:app"
        list "skopeo-oci-archive-of-$of" "oci-archive:$from-oci.tar:app"
        list "skopeo-docker-archive-of-$of" "docker-archive:$from-docker.tar"
        list "skopeo-dir-of-$of" "dir:$from-dir"
        list "skopeo-dir-oci-of-$of" "dir:$from-dir-oci"
        list "skopeo-dir-v2s2-of-$of" "dir:$from-dir-v2s2"
    done
}
