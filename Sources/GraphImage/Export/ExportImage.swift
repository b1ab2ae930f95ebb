// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
public import GraphStore
public import GraphSystem
import SystemPackage

/// How images are written.
public struct ExportOptions: Sendable {
    /// How layers are compressed; nil for as they came, and gzip for those that came without.
    ///
    /// A docker-archive has plain layers, whatever is asked for.
    public var compression: Compression?
    /// The time of files in an archive; 1970 when it is nil.
    public var time: Timestamp?

    /// Describes a way to write.
    public init(compression: Compression? = nil, time: Timestamp? = nil) {
        (self.compression, self.time) = (compression, time)
    }
}

/// An image as it was written.
public struct WrittenImage: Hashable, Sendable {
    /// Digest of its configuration.
    public let id: Digest
    /// The names under which it was written.
    public let names: [String]
    /// Digest of its manifest; nil in a docker-archive, which has none.
    public let manifest: String?
    /// Digest of the manifest that it came with, where the one written is another.
    public let replacedManifest: String?
    /// Why it is another.
    public let manifestChange: ManifestChange?
}

/// Why an image is not written with the manifest that it came with.
public enum ManifestChange: Sendable {
    /// Layers are compressed in another way: as asked for, or because a program compressed them whose
    /// output cannot be made again.
    case compression
    /// It was docker's, under which others look for nothing in an OCI layout. What it says is the same.
    case mediaTypes
    /// It named the configuration by another algorithm than sha256.
    case algorithm
}

/// Writes images of a store, so that others read them.
///
/// The layers have the bytes that were applied, and the configuration those that came, so an image keeps
/// its id. Where every layer is compressed to the bytes that came, and the manifest was OCI's, it is the one that
/// came, too.
///
/// The place appears, or changes, as a whole at the end, when everything is on disk.
///
/// - Parameters:
///   - images: What is written, at least one.
///   - store: Has their layers.
///   - destination: `oci`, `oci-archive` or `docker-archive`; its name is given to the only image instead of
///     its own.
///   - options: How.
///   - observer: Hears of each layer, and may stop the work.
/// - Returns: What was written, in the order of `images`.
/// - Throws: ``DriverError/Code/digestMismatch`` when a layer is not what it was,
///   ``DriverError/Code/invalidArgument`` for a place that holds something else.
public func exportImages(
    _ images: [ExportedImage], from store: LayerStore, to destination: ImageLocation,
    _ options: ExportOptions = ExportOptions(), observer: WorkObserver = .none
) throws(DriverError) -> [WrittenImage] {
    var images = images
    if let name = destination.name {
        guard images.count == 1 else {
            throw DriverError(
                .invalidArgument, "one name, \(name), cannot be that of \(images.count) images")
        }
        images[0].names = [name]
    }
    switch destination.format {
    case .ociLayout:
        let place = try LayoutPlace(destination.path)
        return try OCIExport(store, place, options, observer).write(images)
    case .ociArchive:
        let place = try ArchivePlace(destination.path, options.time)
        return try OCIExport(store, place, options, observer).write(images)
    case .dockerArchive:
        let place = try ArchivePlace(destination.path, options.time)
        return try DockerExport(store, place, observer).write(images)
    case .directory, nil:
        throw DriverError(
            .invalidArgument,
            "images are written to oci:DIRECTORY[:NAME], oci-archive:FILE[:NAME] or "
                + "docker-archive:FILE[:NAME]")
    }
}

/// Where an export goes.
protocol ExportPlace: AnyObject {
    /// Adds a file of known bytes.
    func put(_ bytes: [UInt8], as name: String) throws(DriverError)
    /// Adds a blob that `write` writes and which is then known by its digest; nothing when it is there.
    func put(
        blob write: (any ByteSink) throws(DriverError) -> Void, expecting: BlobDigest?
    ) throws(DriverError) -> WrittenBlob
    /// Adds images to the index, and makes everything appear.
    func finish(_ entries: [IndexEntry]) throws(DriverError)
}

/// A blob as it was written.
struct WrittenBlob {
    let digest: BlobDigest
    let bytes: UInt64
}

/// Passes a blob on, and knows its digests.
final class BlobSink: ByteSink {
    private let sink: any ByteSink
    private var hasher = BlobHasher(.sha256)
    private var other: BlobHasher?
    private let expected: BlobDigest?
    private(set) var byteCount: UInt64 = 0

    init(_ sink: any ByteSink, expecting expected: BlobDigest?) {
        (self.sink, self.expected) = (sink, expected)
        if let expected, expected.algorithm != .sha256 { other = BlobHasher(expected.algorithm) }
    }

    func write(_ bytes: Span<UInt8>) throws(ArchiveError) {
        hasher.update(bytes)
        other?.update(bytes)
        byteCount += UInt64(bytes.count)
        try sink.write(bytes)
    }

    func finish() throws(ArchiveError) { try sink.finish() }

    /// The blob, by the algorithm that was expected where that gives what was expected.
    var result: WrittenBlob {
        if let other = other?.digest, other == expected {
            return WrittenBlob(digest: other, bytes: byteCount)
        }
        return WrittenBlob(digest: hasher.digest, bytes: byteCount)
    }
}
