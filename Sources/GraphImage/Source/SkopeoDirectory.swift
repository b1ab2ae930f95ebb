// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore

/// The image in a directory of skopeo's `dir:` transport: one `manifest.json`, and a file for each blob,
/// named by the digits of its digest.
struct SkopeoDirectory {
    static let markName = "version"
    static let manifestName = "manifest.json"
    private static let mark = "Directory Transport Version: "

    private let files: ImageFiles

    init(_ files: ImageFiles) { self.files = files }

    /// Whether the files are such a directory, by its `version`.
    static func isPresent(in files: ImageFiles) throws(DriverError) -> Bool {
        guard let mark = try files.document(named: markName),
            String(decoding: mark, as: UTF8.self).hasPrefix(Self.mark)
        else { return false }
        return try files.file(named: manifestName) != nil
    }

    /// Reads the image, which has no name there.
    func image(for platform: Platform) throws(DriverError) -> Image {
        guard let bytes = try files.document(named: Self.manifestName) else {
            throw DriverError(.invalidArchive, "the image has no file \(Self.manifestName)")
        }
        let reader = ManifestReader(files, isFlat: true)
        return try reader.image(inManifest: bytes, named: Self.manifestName, for: platform)
    }
}
