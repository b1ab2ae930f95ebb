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

    private func name(of entry: Descriptor) -> String? {
        // Docker writes the whole name here, and only its tag there.
        entry.annotations?["io.containerd.image.name"]
            ?? entry.annotations?["org.opencontainers.image.ref.name"]
    }

    /// All names of all images.
    var names: [String] { ManifestReader.images(index).compactMap { name(of: $0) } }

    /// Reads one image; its names are those that it has here, the one that was chosen first.
    func image(named name: String?, for platform: Platform) throws(DriverError) -> Image {
        var entries = ManifestReader.images(index)
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
                if Set(entries.map { self.name(of: $0) }).count != 1, !isOneImage(entries) {
                    throw ImageSource.choiceError(name, among: labels)
                }
            } else if Set(names).count > 1, !isOneImage(entries) {
                throw ImageSource.choiceError(nil, among: labels)
            }
        }
        let isChosen = entries.count == 1 || isOneImage(entries)
        let entry = isChosen ? entries[0] : try ManifestReader.choose(entries, for: platform)
        var names = entries.filter { $0.digest == entry.digest }.compactMap { self.name(of: $0) }
        names = names.enumerated().filter { !names[..<$0.offset].contains($0.element) }
            .map(\.element)
        return try ManifestReader(files).image(entry, names: names, for: platform)
    }

    /// Whether entries are several names of one image, as `docker save` writes them since version 25.
    private func isOneImage(_ entries: [Descriptor]) -> Bool {
        Set(entries.map(\.digest)).count == 1
    }

    private func matches(_ entry: Descriptor, _ name: String) -> Bool {
        ["io.containerd.image.name", "org.opencontainers.image.ref.name"].contains { key in
            entry.annotations?[key].map { ImageSource.matches($0, name) } ?? false
        }
    }
}
