// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
import GraphCore

/// One image of a source: the chain of its layers and where their bytes are.
public struct Image: Sendable {
    /// What the source calls it, the name that was chosen first; none when it has no name there.
    public let names: [String]
    /// Digest of the OCI manifest; nil in a docker-archive, which has none.
    public var manifestDigest: BlobDigest? { manifest?.digest }
    /// Digest of the configuration, which docker calls the image's id.
    public let configurationDigest: BlobDigest
    /// The base first.
    public let layers: [ImageLayer]
    /// The configuration, as it came.
    let configuration: [UInt8]
    /// What it runs on, as the configuration says it.
    let platform: PlatformDocument
    let manifest: ImageManifest?
}

/// The manifest of an image, as it came.
struct ImageManifest: Sendable {
    let digest: BlobDigest
    let document: [UInt8]
    let mediaType: String
    /// What it says that the configuration is.
    let configurationType: String
}

/// One layer of an image.
public struct ImageLayer: Sendable {
    /// Digest of the uncompressed layer tar, as the configuration says it.
    public let diffID: Digest
    /// Digest of the bytes as the source holds them, mostly compressed; nil in a docker-archive,
    /// which does not tell.
    public let blobDigest: BlobDigest?
    /// Bytes of the blob, where the source tells.
    public let blobBytes: UInt64?
    /// What the manifest says that it is; empty in a docker-archive, which does not tell.
    let mediaType: String
    /// The file's name in the source.
    let fileName: String
    /// Whether images may leave the bytes of this layer out.
    let isForeign: Bool

    /// Finds the layer's bytes.
    func range(in files: ImageFiles) throws(DriverError) -> FileRange {
        guard let range = try files.file(named: fileName) else {
            if isForeign {
                throw DriverError(
                    .unsupported,
                    "layer \(diffID) may not be distributed, and the image does not hold its bytes")
            }
            throw DriverError(.invalidArchive, "the image has no file \(fileName)")
        }
        if let blobBytes, blobBytes != range.count {
            throw DriverError(
                .digestMismatch,
                "\(fileName) has \(range.count) bytes instead of \(blobBytes)")
        }
        return range
    }

    /// How the bytes are compressed, found by looking; what the media type says where the source does not
    /// hold them, nil where that says nothing.
    func compression(in files: ImageFiles) throws(DriverError) -> Compression? {
        if let range = try files.file(named: fileName) {
            let head = FileRange(
                file: range.file, offset: range.offset, count: min(range.count, 16))
            return Compression.detect(
                try attempting(archive: "read the image", try head.bytes())[...])
        }
        if mediaType.hasSuffix(".tar") { return Compression.none }
        return Compression.allCases.first {
            mediaType.hasSuffix("+" + $0.rawValue) || mediaType.hasSuffix("." + $0.rawValue)
        }
    }
}
