// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore

/// What an image's configuration says that matters to a store.
struct ConfigurationContent {
    /// The digests of the uncompressed layers, the base first.
    let diffIDs: [Digest]
    let platform: PlatformDocument

    /// Reads a configuration; `name` is for messages.
    init(_ bytes: [UInt8], named name: String) throws(DriverError) {
        platform = try decode(PlatformDocument.self, from: bytes, named: name)
        let filesystem = try decode(ConfigurationDocument.self, from: bytes, named: name).rootfs
        guard filesystem.type == "layers" else {
            throw DriverError(.unsupported, "the image's root is \(filesystem.type), not layers")
        }
        var digests: [Digest] = []
        for text in filesystem.diffIDs ?? [] {
            if text.hasPrefix("sha256:"), let digest = Digest(parsing: text) {
                digests.append(digest)
                continue
            }
            let digest = try BlobDigest(inDocument: text)
            throw DriverError(
                .unsupported,
                "a layer's diffID is \(digest.algorithm.rawValue), where every runtime uses sha256")
        }
        diffIDs = digests
    }
}
