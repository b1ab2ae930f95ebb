// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore

/// The images in an OCI image layout, by its `index.json`.
///
/// Every blob that is used is verified: its size before its bytes are taken, its digest with them.
struct OCILayout {
    static let markName = "oci-layout"
    static let indexName = "index.json"

    private let files: ImageFiles
    private let index: ManifestDocument

    init(_ files: ImageFiles) throws(DriverError) {
        self.files = files
        let mark = try Self.document(named: Self.markName, in: files)
        let version = try decode(LayoutDocument.self, from: mark, named: Self.markName)
            .imageLayoutVersion
        guard version.hasPrefix("1.") else {
            throw DriverError(.unsupported, "the OCI layout has the unknown version \(version)")
        }
        index = try decode(
            ManifestDocument.self, from: try Self.document(named: Self.indexName, in: files),
            named: Self.indexName)
    }

    private static func document(
        named name: String, in files: ImageFiles
    ) throws(DriverError) -> [UInt8] {
        guard let bytes = try files.document(named: name) else {
            throw DriverError(.invalidArchive, "the image has no file \(name)")
        }
        return bytes
    }

    // MARK: Choosing

    /// The entries that are images, without the attestations that BuildKit puts beside them.
    private func images(_ document: ManifestDocument) -> [Descriptor] {
        (document.manifests ?? []).filter { entry in
            entry.annotations?["vnd.docker.reference.type"] != "attestation-manifest"
        }
    }

    private func name(of entry: Descriptor) -> String? {
        // Docker writes the whole name here, and only its tag there.
        entry.annotations?["io.containerd.image.name"]
            ?? entry.annotations?["org.opencontainers.image.ref.name"]
    }

    /// All names of all images.
    var names: [String] { images(index).compactMap { name(of: $0) } }

    func image(named name: String?, for platform: Platform) throws(DriverError) -> Image {
        var entries = images(index)
        if entries.isEmpty {
            throw DriverError(.invalidArchive, "\(Self.indexName) lists no image")
        }
        if entries.count > 1 {
            let names = entries.map { self.name(of: $0) }
            let labels = zip(names, entries).map { $0 ?? $1.digest }
            if let name, Set(names) != [nil] || entries.contains(where: { $0.digest == name }) {
                entries = entries.filter { entry in
                    entry.digest == name || matches(entry, name)
                }
                if Set(entries.map { self.name(of: $0) }).count != 1 {
                    throw ImageSource.choiceError(name, among: labels)
                }
            } else if Set(names).count > 1 {
                throw ImageSource.choiceError(nil, among: labels)
            }
        }
        let entry = entries.count == 1 ? entries[0] : try choose(entries, for: platform)
        return try image(entry, name: self.name(of: entry), for: platform, depth: 0)
    }

    private func matches(_ entry: Descriptor, _ name: String) -> Bool {
        ["io.containerd.image.name", "org.opencontainers.image.ref.name"].contains { key in
            entry.annotations?[key].map { ImageSource.matches($0, name) } ?? false
        }
    }

    /// Takes the best entry for a platform, and of several that are as good the first.
    private func choose(
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

    // MARK: Reading

    /// Indexes within indexes at most.
    private static let indexDepth = 4

    private func image(
        _ entry: Descriptor, name: String?, for platform: Platform, depth: Int
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
            let entries = images(document)
            let chosen =
                entries.count == 1 && entries[0].platform == nil
                ? entries[0] : try choose(entries, for: platform)
            return try image(chosen, name: name, for: platform, depth: depth + 1)
        case .manifest:
            guard document.manifests == nil, document.schemaVersion == 2,
                let configuration = document.config, let layers = document.layers
            else {
                throw DriverError(.invalidArchive, "\(entry.digest) is not an image manifest")
            }
            return try image(configuration, layers, name: name, manifest: digest)
        default:
            throw DriverError(
                .unsupported, "\(entry.digest) is \(entry.mediaType), and not an image")
        }
    }

    private func image(
        _ configuration: Descriptor, _ layers: [Descriptor], name: String?, manifest: Digest
    ) throws(DriverError) -> Image {
        guard case .configuration = MediaType(configuration.mediaType) else {
            throw DriverError(
                .unsupported, "\(manifest) holds \(configuration.mediaType), and not an image")
        }
        let (digest, bytes) = try blob(configuration)
        let diffIDs = try Self.diffIDs(inConfiguration: bytes, named: configuration.digest)
        guard diffIDs.count == layers.count else {
            throw DriverError(
                .invalidArchive,
                "the image has \(layers.count) layers, but its configuration"
                    + " lists \(diffIDs.count)")
        }
        var chain: [ImageLayer] = []
        for (diffID, layer) in zip(diffIDs, layers) {
            guard case .layer(let isForeign) = MediaType(layer.mediaType) else {
                throw DriverError(
                    .unsupported, "layer \(layer.digest) is \(layer.mediaType), which is not read")
            }
            let blobDigest = try Self.digest(layer.digest)
            chain.append(
                ImageLayer(
                    diffID: diffID, blobDigest: blobDigest, blobBytes: layer.size,
                    fileName: Self.fileName(blobDigest), isForeign: isForeign))
        }
        return Image(
            name: name, manifestDigest: manifest, configurationDigest: digest, layers: chain)
    }

    /// The digests of the uncompressed layers, the base first.
    static func diffIDs(
        inConfiguration bytes: [UInt8], named name: String
    ) throws(DriverError) -> [Digest] {
        let filesystem = try decode(ConfigurationDocument.self, from: bytes, named: name).rootfs
        guard filesystem.type == "layers" else {
            throw DriverError(.unsupported, "the image's root is \(filesystem.type), not layers")
        }
        var digests: [Digest] = []
        for text in filesystem.diffIDs { digests.append(try digest(text)) }
        return digests
    }

    /// The bytes of a small blob, verified.
    private func blob(_ descriptor: Descriptor) throws(DriverError) -> (Digest, [UInt8]) {
        let expected = try Self.digest(descriptor.digest)
        let bytes = try Self.document(named: Self.fileName(expected), in: files)
        guard UInt64(bytes.count) == descriptor.size else {
            throw DriverError(
                .digestMismatch,
                "\(expected) has \(bytes.count) bytes instead of \(descriptor.size)")
        }
        let digest = Digest.of(bytes)
        guard digest == expected else {
            throw DriverError(.digestMismatch, "\(expected) has the digest \(digest)")
        }
        return (digest, bytes)
    }

    private static func fileName(_ digest: Digest) -> String { "blobs/sha256/\(digest.hex)" }

    private static func digest(_ text: String) throws(DriverError) -> Digest {
        if text.hasPrefix("sha256:"), let digest = Digest(parsing: text) { return digest }
        let algorithm = text.prefix { $0 != ":" }
        if algorithm == "sha512" {
            throw DriverError(.unsupported, "the digest \(text) is not sha256, which alone is read")
        }
        throw DriverError(.invalidArchive, "\(text.prefix(100)) is not a digest")
    }
}
