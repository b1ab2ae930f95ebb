// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphSystem
import GraphTestSupport
import SystemPackage

/// An OCI image layout in memory, to be written as a directory or an archive, whole or damaged.
struct TestImage {
    /// The content of each file, by its name in the layout.
    var files: [String: [UInt8]] = [
        "oci-layout": Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8)
    ]
    /// Descriptors of the images, for `index.json`.
    var entries: [String] = []

    static let manifestType = "application/vnd.oci.image.manifest.v1+json"
    static let indexType = "application/vnd.oci.image.index.v1+json"
    static let layerType = "application/vnd.oci.image.layer.v1.tar"

    /// A layer tar with one file.
    static func layer(_ name: String, _ text: String) throws -> [UInt8] {
        try LayerTar.bytes(of: [
            LayerMember(
                ArchiveEntry(path: RawPath(name), kind: .file(size: 0), permissions: 0o644),
                content: Array(text.utf8))
        ])
    }

    /// Compresses bytes.
    static func compress(_ bytes: [UInt8], _ compression: Compression) throws -> [UInt8] {
        let sink = MemorySink()
        let compressor = Compressor(sink, compression)
        try compressor.write(bytes.span)
        try compressor.finish()
        return sink.bytes
    }

    /// Adds a blob and describes it.
    mutating func add(_ bytes: [UInt8], _ type: String, more: String = "") -> String {
        let digest = Digest.of(bytes)
        files["blobs/sha256/\(digest.hex)"] = bytes
        return #"{"mediaType":"\#(type)","digest":"\#(digest)","size":\#(bytes.count)\#(more)}"#
    }

    /// Adds an image with these layers and describes its manifest.
    ///
    /// Without `diffIDs` its configuration tells the truth about uncompressed layers.
    mutating func addImage(
        _ layers: [[UInt8]], type: String = layerType, diffIDs: [Digest]? = nil, more: String = ""
    ) -> String {
        let descriptors = layers.map { add($0, type) }
        return addImage(descriptors, diffIDs: diffIDs ?? layers.map { Digest.of($0) }, more: more)
    }

    /// Adds an image with layers that are described already.
    mutating func addImage(
        _ descriptors: [String], diffIDs: [Digest], more: String = ""
    ) -> String {
        let list = diffIDs.map { "\"\($0)\"" }.joined(separator: ",")
        let configuration = add(
            Array(#"{"rootfs":{"type":"layers","diff_ids":[\#(list)]}}"#.utf8),
            "application/vnd.oci.image.config.v1+json")
        let layers = descriptors.joined(separator: ",")
        return add(
            Array(#"{"schemaVersion":2,"config":\#(configuration),"layers":[\#(layers)]}"#.utf8),
            Self.manifestType, more: more)
    }

    /// The annotation that names an image.
    static func named(_ name: String) -> String {
        #","annotations":{"org.opencontainers.image.ref.name":"\#(name)"}"#
    }

    /// The platform of an image.
    static func platform(_ architecture: String, variant: String? = nil) -> String {
        let last = variant.map { #","variant":"\#($0)""# } ?? ""
        return #","platform":{"os":"linux","architecture":"\#(architecture)"\#(last)}"#
    }

    /// All files, `index.json` with them.
    var allFiles: [String: [UInt8]] {
        let index = #"{"schemaVersion":2,"manifests":[\#(entries.joined(separator: ","))]}"#
        return files.merging(["index.json": Array(index.utf8)]) { own, _ in own }
    }

    /// Writes the layout as a directory.
    func write(to directory: FilePath) throws { try Self.write(allFiles, to: directory) }

    /// Writes the files alone, without an index, as a directory.
    func writeFiles(to directory: FilePath) throws { try Self.write(files, to: directory) }

    private static func write(_ files: [String: [UInt8]], to directory: FilePath) throws {
        for (name, bytes) in files {
            let path = directory.string + "/" + name
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent,
                withIntermediateDirectories: true)
            try Data(bytes).write(to: URL(fileURLWithPath: path))
        }
    }

    /// Writes the layout as a tar.
    func archive() throws -> [UInt8] { try Self.archive(allFiles) }

    /// Writes files as a tar.
    static func archive(
        _ files: [String: [UInt8]], links: [String: String] = [:]
    ) throws -> [UInt8] {
        let members = files.sorted { $0.key < $1.key }.map { name, bytes in
            LayerMember(
                ArchiveEntry(path: RawPath(name), kind: .file(size: 0), permissions: 0o644),
                content: bytes)
        }
        let symbolic = links.sorted { $0.key < $1.key }.map { name, target in
            LayerMember(
                ArchiveEntry(
                    path: RawPath(name), kind: .symbolicLink(target: RawPath(target)),
                    permissions: 0o777))
        }
        return try LayerTar.bytes(of: symbolic + members)
    }
}
