// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore

/// Reads indexes, manifests and configurations, down to the layers of one image.
///
/// Every blob that is used is verified: its size before its bytes are taken, its digest with them.
struct ManifestReader {
    private let files: ImageFiles
    /// Whether blobs lie beside the manifest, named by their digits alone, as in skopeo's `dir:`.
    private let isFlat: Bool

    init(_ files: ImageFiles, isFlat: Bool = false) { (self.files, self.isFlat) = (files, isFlat) }

    /// Indexes within indexes at most.
    private static let indexDepth = 4

    /// The entries that are images, without the attestations that BuildKit puts beside them.
    static func images(_ document: ManifestDocument) -> [Descriptor] {
        (document.manifests ?? []).filter { entry in
            entry.annotations?["vnd.docker.reference.type"] != "attestation-manifest"
        }
    }

    /// Takes the best entry for a platform, and of several that are as good the first.
    static func choose(
        _ entries: [Descriptor], for platform: Platform
    ) throws(DriverError) -> Descriptor {
        let ranked = entries.compactMap { entry in
            entry.platform?.platform.flatMap { platform.rank(of: $0) }.map { ($0, entry) }
        }
        if let best = ranked.map(\.0).min(), let found = ranked.first(where: { $0.0 == best }) {
            return found.1
        }
        let offered = entries.map { $0.platform?.platform?.description ?? $0.digest }
        throw DriverError(
            .unsupported,
            "the source holds no image for \(platform), but for:"
                + " \(Set(offered).sorted().joined(separator: ", "))")
    }

    /// Reads an image, or the one for a platform where the entry is an index of several.
    func image(
        _ entry: Descriptor, names: [String], for platform: Platform, depth: Int = 0
    ) throws(DriverError) -> Image {
        let (digest, bytes) = try blob(entry)
        let document = try decode(ManifestDocument.self, from: bytes, named: entry.digest)
        // Bytes that could be read as two kinds of document would mean different images to
        // different readers.
        if let own = document.mediaType, own != entry.mediaType {
            throw DriverError(
                .invalidArchive,
                "\(entry.digest) says that it is \(own), and not \(entry.mediaType)")
        }
        switch MediaType(entry.mediaType) {
        case .index:
            guard document.layers == nil, document.config == nil, depth < Self.indexDepth else {
                throw DriverError(.invalidArchive, "\(entry.digest) is not an image index")
            }
            let entries = Self.images(document)
            let chosen =
                entries.count == 1 && entries[0].platform == nil
                ? entries[0] : try Self.choose(entries, for: platform)
            return try image(chosen, names: names, for: platform, depth: depth + 1)
        case .manifest:
            return try image(
                document, names: names, (digest, bytes, entry.mediaType), named: entry.digest)
        default:
            throw DriverError(
                .unsupported, "\(entry.digest) is \(entry.mediaType), and not an image")
        }
    }

    /// Reads an image whose manifest nothing vouches for, as in skopeo's `dir:`.
    func image(
        inManifest bytes: [UInt8], named name: String, for platform: Platform
    ) throws(DriverError) -> Image {
        let document = try decode(ManifestDocument.self, from: bytes, named: name)
        if document.manifests != nil, document.layers == nil {
            let chosen = try Self.choose(Self.images(document), for: platform)
            return try image(chosen, names: [], for: platform)
        }
        return try image(
            document, names: [], (BlobDigest(Digest.of(bytes)), bytes, ""), named: name)
    }

    private func image(
        _ document: ManifestDocument, names: [String],
        _ manifest: (digest: BlobDigest, bytes: [UInt8], type: String), named entry: String
    ) throws(DriverError) -> Image {
        guard document.manifests == nil, document.schemaVersion == 2,
            let configuration = document.config, let layers = document.layers
        else { throw DriverError(.invalidArchive, "\(entry) is not an image manifest") }
        let kind = MediaType(configuration.mediaType)
        guard kind.mayBeConfiguration else {
            throw DriverError(
                .unsupported,
                "\(manifest.digest) holds \(configuration.mediaType), and not an image")
        }
        let (digest, bytes) = try blob(configuration)
        let content = try content(of: configuration, bytes, kind)
        let diffIDs = content.diffIDs
        guard diffIDs.count == layers.count else {
            throw DriverError(
                .invalidArchive,
                "the image has \(layers.count) layers, but its configuration"
                    + " lists \(diffIDs.count)")
        }
        var chain: [ImageLayer] = []
        for (diffID, layer) in zip(diffIDs, layers) {
            chain.append(try self.layer(layer, diffID))
        }
        return Image(
            names: names, configurationDigest: digest, layers: chain, configuration: bytes,
            platform: content.platform,
            manifest: ImageManifest(
                digest: manifest.digest, document: manifest.bytes,
                mediaType: Self.type(of: document, manifest.type),
                configurationType: configuration.mediaType))
    }

    /// The media type of a manifest, which may tell it itself or be told by its configuration's.
    private static func type(of document: ManifestDocument, _ said: String) -> String {
        if !said.isEmpty { return said }
        if let own = document.mediaType { return own }
        let isDocker = document.config?.mediaType.hasPrefix("application/vnd.docker.") ?? false
        return isDocker ? MediaType.dockerManifest : MediaType.ociManifest
    }

    private func layer(
        _ descriptor: Descriptor, _ diffID: Digest
    ) throws(DriverError) -> ImageLayer {
        let isForeign: Bool
        switch MediaType(descriptor.mediaType) {
        case .layer(let mayBeLeftOut): isForeign = mayBeLeftOut
        // What it is shows when it is read, and its diffID vouches for it.
        case .generic: isForeign = false
        default:
            throw DriverError(
                .unsupported,
                "layer \(descriptor.digest) is \(descriptor.mediaType), which is not read")
        }
        let digest = try BlobDigest(inDocument: descriptor.digest)
        return ImageLayer(
            diffID: diffID, blobDigest: digest, blobBytes: descriptor.size,
            mediaType: descriptor.mediaType,
            fileName: fileName(digest), isForeign: isForeign)
    }

    /// What a configuration says, which is one by its content where its type says nothing.
    private func content(
        of configuration: Descriptor, _ bytes: [UInt8], _ kind: MediaType
    ) throws(DriverError) -> ConfigurationContent {
        do throws(DriverError) {
            return try ConfigurationContent(bytes, named: configuration.digest)
        } catch  where kind.isGeneric && error.code == .invalidArchive {
            throw DriverError(
                .unsupported,
                "\(configuration.digest) is \(configuration.mediaType), and by its content not the "
                    + "configuration of an image")
        }
    }

    /// The bytes of a small blob, verified.
    private func blob(_ descriptor: Descriptor) throws(DriverError) -> (BlobDigest, [UInt8]) {
        let expected = try BlobDigest(inDocument: descriptor.digest)
        let name = fileName(expected)
        guard let bytes = try files.document(named: name) else {
            throw DriverError(.invalidArchive, "the image has no file \(name)")
        }
        guard UInt64(bytes.count) == descriptor.size else {
            throw DriverError(
                .digestMismatch,
                "\(expected) has \(bytes.count) bytes instead of \(descriptor.size)")
        }
        let digest = expected.ofSameKind(bytes)
        guard digest == expected else {
            throw DriverError(.digestMismatch, "\(expected) has the digest \(digest)")
        }
        return (digest, bytes)
    }

    private func fileName(_ digest: BlobDigest) -> String {
        isFlat ? digest.hex : digest.layoutName
    }
}
