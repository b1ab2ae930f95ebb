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
