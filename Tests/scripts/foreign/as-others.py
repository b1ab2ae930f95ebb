#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
"""as-others.py FOLDER: writes images as builders do that are no Debian packages, and prints NAME and LOCATION of each.

Bazel (rules_docker, rules_oci), ko, jib, Nix (dockerTools) and kaniko: which files their archives have under which
names, which fields their documents have and leave out, which names, times, owners and parents their layers' members.
"""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

out = sys.argv[1]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def member(name, data=None, mode=0o644, kind=tarfile.REGTYPE, target="", time=0, owner=(0, 0)):
    info = tarfile.TarInfo(name)
    info.type = kind if data is not None or kind != tarfile.REGTYPE else tarfile.DIRTYPE
    info.mode, info.mtime, info.linkname = mode, time, target
    info.uid, info.gid = owner
    info.size = len(data or b"")
    return info, data


def layer(*members, dialect=tarfile.GNU_FORMAT):
    room = io.BytesIO()
    with tarfile.open(fileobj=room, mode="w", format=dialect) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if data else None)
    return room.getvalue()


def configuration(layers, **fields):
    chain = {"type": "layers", "diff_ids": ["sha256:" + digest(l) for l in layers]}
    return json.dumps({"architecture": "amd64", "os": "linux", **fields, "rootfs": chain}, separators=(",", ":")).encode()


def archive(name, files, time=0, folders=()):
    path = os.path.join(out, name)
    with open(path, "wb") as file:
        file.write(layer(*(member(f, None, 0o755, time=time) for f in folders),
                         *(member(f, data, time=time) for f, data in files.items())))
    return path


OCI = {"manifest": "application/vnd.oci.image.manifest.v1+json", "config": "application/vnd.oci.image.config.v1+json",
       "layer": "application/vnd.oci.image.layer.v1.tar+gzip"}
DOCKER = {"manifest": "application/vnd.docker.distribution.manifest.v2+json",
          "config": "application/vnd.docker.container.image.v1+json",
          "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip"}


def layout(name, layers, config, types, linked=False):
    path = os.path.join(out, name)
    blobs = os.path.join(path, "blobs/sha256")
    os.makedirs(blobs)

    def add(data, kind):
        place = os.path.join(blobs, digest(data))
        with open(place + ".there" if linked else place, "wb") as file:
            file.write(data)
        if linked:
            os.rename(place + ".there", os.path.join(out, digest(data)))
            os.symlink(os.path.join(out, digest(data)), place)
        return {"mediaType": types[kind], "size": len(data), "digest": "sha256:" + digest(data)}

    document = {"schemaVersion": 2, "mediaType": types["manifest"], "config": add(config, "config"),
                "layers": [add(zipped(l), "layer") for l in layers]}
    with open(os.path.join(path, "index.json"), "w") as file:
        json.dump({"schemaVersion": 2, "manifests": [add(json.dumps(document).encode(), "manifest")]}, file)
    with open(os.path.join(path, "oci-layout"), "w") as file:
        file.write('{"imageLayoutVersion":"1.0.0"}')
    return path


def zipped(data):
    return gzip.compress(data, 9, mtime=0)


def manifest(config, tags, layers, **more):
    return json.dumps([{"Config": config, "RepoTags": tags, "Layers": layers, **more}]).encode()


def bazel_docker():
    """rules_docker: members by ./, runfiles by way of .., no parents, one folder a layer with VERSION and json."""
    first = layer(member("./", None, 0o555), member("./etc/", None, 0o755), member("./etc/passwd", b"root:x:0:0::/:/bin/sh\n"))
    second = layer(member("./app/_main/tool", b"#!/bin/sh\n", 0o555),
                   member("./app/_main/../_pip/x.py", b"x = 1\n", 0o555),
                   member("./app/_main/../../app/guava", None, kind=tarfile.SYMTYPE, target="_main/../_pip/x.py"))
    config = configuration([first, second], config={"Entrypoint": ["/app/_main/tool"]}, author="Bazel",
                           created="1970-01-01T00:00:00Z", history=[{"author": "Bazel", "created_by": "bazel build ..."}] * 2)
    files, names, parent = {}, [], None
    for data in (first, second):
        name = digest(data)
        files[f"{name}/VERSION"] = b"1.0"
        files[f"{name}/layer.tar"] = data
        files[f"{name}/json"] = json.dumps({"id": name, **({"parent": parent} if parent else {})}).encode()
        names.append(f"{name}/layer.tar")
        parent = name
    files[digest(config) + ".json"] = config
    files["manifest.json"] = manifest(digest(config) + ".json", ["bazel/app:image"], names)
    files["repositories"] = json.dumps({"bazel/app": {"image": parent}}).encode()
    return "docker-archive:" + archive("bazel-docker.tar", files)


def bazel_oci():
    """rules_oci: a layout whose blobs are symbolic links, layers of bsdtar in the pax dialect without ./"""
    first = layer(member("usr/", None, 0o755, time=1672560000), member("usr/bin/tool", b"\x7fELF" * 999, 0o755, time=1672560000),
                  dialect=tarfile.PAX_FORMAT)
    second = layer(member("app/main.runfiles/_repo_mapping", b"", time=1672560000, owner=(65532, 65532)),
                   member("app/main", None, kind=tarfile.SYMTYPE, target="../usr/bin/tool", time=1672560000),
                   dialect=tarfile.PAX_FORMAT)
    config = configuration([first, second], config={"User": "65532"})
    return "oci:" + layout("bazel-oci", [first, second], config, OCI, linked=True)


def ko():
    """ko --tarball: names from the root, files sha256:… and …tar.gz, layers of the same digest once."""
    base = layer(member("etc/", None, 0o755), member("etc/os-release", b"ID=distroless\n"))
    data = layer(member("/var", None, 0o555), member("/var/run", None, 0o555), member("/var/run/ko", None, 0o555),
                 member("/var/run/ko/index.html", b"<p>\n", 0o555), dialect=tarfile.USTAR_FORMAT)
    program = layer(member("/ko-app", None, 0o555), member("/ko-app/app", b"\x7fELF" * 500, 0o555), dialect=tarfile.USTAR_FORMAT)
    layers = [base, data, program]
    config = configuration(layers, created="0001-01-01T00:00:00Z", author="github.com/ko-build/ko",
                           config={"Entrypoint": ["/ko-app/app"], "Env": ["KO_DATA_PATH=/var/run/ko"]},
                           history=[{"created": "0001-01-01T00:00:00Z", "comment": "kodata contents"}] * 3)
    files = {"sha256:" + digest(config): config}
    names = [digest(zipped(l)) + ".tar.gz" for l in layers]
    files.update(zip(names, map(zipped, layers)))
    files["manifest.json"] = manifest("sha256:" + digest(config), ["ko.local/app:latest"], names)
    return "docker-archive:" + archive("ko.tar", files)


def jib():
    """jib's tarball: config.json and …tar.gz; parents are members, times a second after the epoch."""
    def parents(*names):
        return [member(name, None, 0o755, time=1) for name in names]

    classes = layer(*parents("app/", "app/classes/", "app/classes/com/"),
                    member("app/classes/com/Main.class", b"\xca\xfe\xba\xbe" * 77, time=1), dialect=tarfile.PAX_FORMAT)
    libraries = layer(*parents("app/", "app/libs/"), member("app/libs/" + "long-" * 30 + "1.0.jar", b"PK\x03\x04" * 99, time=1),
                      dialect=tarfile.PAX_FORMAT)
    layers = [libraries, classes]
    config = configuration(layers, created="1970-01-01T00:00:00Z", history=[{"created_by": "jib-maven-plugin:3.4.0"}] * 2,
                           config={"Env": [], "Entrypoint": ["java", "-cp", "@/app/jib-classpath-file", "Main"], "Labels": {}})
    names = [digest(zipped(l)) + ".tar.gz" for l in layers]
    files = dict(zip(names, map(zipped, layers)))
    files["config.json"] = config
    files["manifest.json"] = manifest("config.json", ["registry/app:latest"], names)
    return "docker-archive:" + archive("jib.tar", files)


def nix():
    """dockerTools.streamLayeredImage: …/layer.tar, directories that nobody may write, times of 1, links of one store."""
    def store(name, *more):
        path = "nix/store/" + digest(name.encode())[:32] + "-" + name
        return [member("nix", None, 0o755, time=1), member("nix/store", None, 0o755, time=1),
                member(path, None, 0o555, time=1), member(path + "/bin", None, 0o555, time=1),
                member(path + "/bin/" + name, b"\x7fELF" + name.encode() * 99, 0o555, time=1),
                member(path + "/bin/again", None, 0o555, kind=tarfile.LNKTYPE, target=path + "/bin/" + name, time=1)]

    library, program = layer(*store("glibc"), dialect=tarfile.PAX_FORMAT), layer(*store("hello"), dialect=tarfile.PAX_FORMAT)
    top = layer(member("./", None, 0o555, time=1), member("./bin", None, 0o777, kind=tarfile.SYMTYPE,
                target="nix/store/" + digest(b"hello")[:32] + "-hello/bin", time=1), dialect=tarfile.PAX_FORMAT)
    layers = [library, program, top]
    config = configuration(layers, created="1970-01-01T00:00:01+00:00", config={"Cmd": ["/bin/hello"]},
                           history=[{"created": "1970-01-01T00:00:01+00:00", "comment": "store paths: []"}] * 3)
    names = [digest(l) + "/layer.tar" for l in layers]
    files = dict(zip(names, layers))
    files[digest(config) + ".json"] = config
    files["manifest.json"] = manifest(digest(config) + ".json", ["hello:zz2bd"], names)
    return "docker-archive:" + archive("nix.tar", files, time=1, folders=[digest(l) for l in layers])


def kaniko():
    """kaniko --oci-layout-path of an image whose base a registry stored by docker's types; / is a member."""
    base = layer(member("/", None, 0o755, time=1700000000), member("etc", None, 0o755, time=1700000000),
                 member("etc/motd", b"base\n", time=1700000000), member("etc/issue", b"base\n", time=1700000000))
    change = layer(member("/", None, 0o755, time=1700000001), member("etc/", None, 0o755, time=1700000001),
                   member("etc/.wh.motd", b"", 0o000), member("workspace/", None, 0o755, time=1700000001),
                   member("workspace/out", b"made\n", 0o600, time=1700000001, owner=(1000, 1000)))
    config = configuration([base, change], created="2023-11-14T22:13:21Z", author="kaniko",
                           history=[{"created_by": "base"}, {"created_by": "ENV A=b", "empty_layer": True},
                                    {"author": "kaniko", "created": "0001-01-01T00:00:00Z", "created_by": "RUN make"}],
                           config={"Env": ["A=b"], "WorkingDir": "/workspace"})
    path = layout("kaniko", [base, change], config, DOCKER)
    return "oci:" + path


if __name__ == "__main__":
    os.makedirs(out, exist_ok=True)
    for maker in (bazel_docker, bazel_oci, ko, jib, nix, kaniko):
        print(maker.__name__.replace("_", "-"), maker())
