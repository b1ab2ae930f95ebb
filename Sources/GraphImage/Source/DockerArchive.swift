// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore

/// The images in an archive that `docker save` wrote, or in its files as a directory, by `manifest.json`.
struct DockerArchive {
    static let manifestName = "manifest.json"

    private let files: ImageFiles
    private let images: [DockerImageDocument]

    init(_ files: ImageFiles) throws(DriverError) {
        self.files = files
        guard let bytes = try files.document(named: Self.manifestName) else {
            throw DriverError(.invalidArchive, "the image has no file \(Self.manifestName)")
        }
        images = try decode([DockerImageDocument].self, from: bytes, named: Self.manifestName)
        if images.isEmpty {
            throw DriverError(.invalidArchive, "\(Self.manifestName) lists no image")
        }
    }

    /// All names of all images.
    var names: [String] { images.flatMap { $0.tags ?? [] } }

    func image(named name: String?) throws(DriverError) -> Image {
        let document = try choose(name)
        let own = document.tags ?? []
        let (digest, bytes) = try configuration(document.configuration)
        let content = try ConfigurationContent(bytes, named: document.configuration)
        guard content.diffIDs.count == document.layers.count else {
            throw DriverError(
                .invalidArchive,
                "the image has \(document.layers.count) layers, but its"
                    + " configuration lists \(content.diffIDs.count)")
        }
        let chosen = own.filter { tag in name.map { ImageSource.matches(tag, $0) } ?? false }
        return Image(
            names: chosen + own.filter { !chosen.contains($0) },
            configurationDigest: digest,
            layers: zip(content.diffIDs, document.layers).map { diffID, fileName in
                ImageLayer(
                    diffID: diffID, blobDigest: nil, blobBytes: nil, mediaType: "",
                    fileName: fileName, isForeign: false)
            }, configuration: bytes, platform: content.platform, manifest: nil)
    }

    private func choose(_ name: String?) throws(DriverError) -> DockerImageDocument {
        if images.count == 1 { return images[0] }
        let labels = images.flatMap { $0.tags ?? [$0.configuration] }
        guard let name else { throw ImageSource.choiceError(nil, among: labels) }
        // As containers/image counts them, where an image has no name.
        if name.hasPrefix("@"), let place = Int(name.dropFirst()), images.indices.contains(place) {
            return images[place]
        }
        let found = images.filter { image in
            image.configuration == name
                || (image.tags ?? []).contains { ImageSource.matches($0, name) }
        }
        guard found.count == 1 else { throw ImageSource.choiceError(name, among: labels) }
        return found[0]
    }

    /// Reads a configuration.
    ///
    /// Its name is its digest, as docker and skopeo write it; other names give nothing to verify it
    /// with.
    private func configuration(_ name: String) throws(DriverError) -> (BlobDigest, [UInt8]) {
        guard let bytes = try files.document(named: name) else {
            throw DriverError(.invalidArchive, "the image has no file \(name)")
        }
        let digest = Digest.of(bytes)
        let last = name.split(separator: "/").last.map(String.init) ?? name
        let stem = last.hasSuffix(".json") ? String(last.dropLast(5)) : last
        if let expected = Digest(parsing: stem), expected != digest {
            throw DriverError(.digestMismatch, "the configuration \(name) has the digest \(digest)")
        }
        return (BlobDigest(digest), bytes)
    }
}
