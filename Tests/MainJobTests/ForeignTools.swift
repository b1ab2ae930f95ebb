// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphTestSupport
import SystemPackage

/// What umoci unpacks of an image.
func unpackByUmoci(_ layout: FilePath, tag: String, into bundle: FilePath) throws -> FilePath {
    try runCommand(
        "umoci", ["unpack", "--image", "\(layout.string):\(tag)", bundle.string])
    return bundle.appending("rootfs")
}

/// Puts a layer on top of an image's, in a copy of the layout.
func addLayerByUmoci(_ layer: FilePath, to image: TestImage, copy: FilePath) throws {
    try runCommand("cp", ["-a", image.layout.string, copy.string])
    try runCommand(
        "umoci", ["raw", "add-layer", "--image", "\(copy.string):\(image.tag)", layer.string])
}

/// Applies a layer with GNU tar: first takes away what the whiteouts name and directories in whose
/// place the layer has something else, then extracts the rest over the tree.
///
/// GNU tar's own `--recursive-unlink` would remove directories that only get more files, too.
func applyByTar(_ layer: FilePath, to tree: FilePath) throws {
    let script = """
        export LC_ALL=C.UTF-8
        tar --quoting-style=literal -tf "$1" | while IFS= read -r path; do
            name=${path##*/}
            case $name in
            '') ;; # a directory
            .wh.*) rm -rf -- "$0/${path%"$name"}${name#.wh.}" ;;
            *) if [ -d "$0/$path" ] && ! [ -L "$0/$path" ]; then rm -rf -- "$0/$path"; fi ;;
            esac
        done
        tar -C "$0" --xattrs --xattrs-include='*' --numeric-owner --same-owner -p \\
            --exclude='.wh.*' -xf "$1"
        """
    try runCommand("bash", ["-euo", "pipefail", "-c", script, tree.string, layer.string])
}
