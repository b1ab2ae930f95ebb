// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
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

/// What GNU tar unpacks of an image, layer by layer.
func unpackByTar(_ image: TestImage, into tree: FilePath) throws -> FilePath {
    struct Index: Decodable {
        struct Descriptor: Decodable { let digest: String }
        let manifests: [Descriptor]
    }
    struct Manifest: Decodable { let layers: [Index.Descriptor] }
    func blob(_ digest: String) -> FilePath {
        image.layout.appending("blobs/sha256").appending(String(digest.dropFirst("sha256:".count)))
    }
    func read<Value: Decodable>(_ type: Value.Type, _ file: FilePath) throws -> Value {
        try JSONDecoder().decode(type, from: Data(try file.readText().utf8))
    }
    let index = try read(Index.self, image.layout.appending("index.json"))
    try runCommand("mkdir", [tree.string])
    for manifest in index.manifests {
        for layer in try read(Manifest.self, blob(manifest.digest)).layers {
            try applyByTar(blob(layer.digest), to: tree)
        }
    }
    return tree
}
