// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphStore

/// Writes images as `docker save` does: plain layers, named by their diffIDs, and `manifest.json`.
struct DockerExport {
    private let store: LayerStore
    private let place: ArchivePlace
    private let observer: WorkObserver

    init(_ store: LayerStore, _ place: ArchivePlace, _ observer: WorkObserver) {
        (self.store, self.place, self.observer) = (store, place, observer)
    }

    func write(_ images: [ExportedImage]) throws(DriverError) -> [WrittenImage] {
        var documents: [JSONValue] = []
        var written: [WrittenImage] = []
        var files: Set<String> = []
        for image in images {
            var names: [String] = []
            for layer in image.layers {
                guard let diffID = layer.diffID, let bytes = layer.diffBytes else {
                    throw DriverError(.storeDamaged, "layer \(layer.id) has no digest")
                }
                let name = diffID.hex + ".tar"
                names.append(name)
                if !files.insert(name).inserted { continue }
                try place.put(name, bytes) { (sink) throws(DriverError) in
                    try layer.write(from: store, to: sink, observer)
                }
            }
            let id = Digest.of(image.configuration)
            let name = id.hex + ".json"
            if files.insert(name).inserted { try place.put(image.configuration, as: name) }
            documents.append([
                "Config": .string(name), "RepoTags": JSONValue(image.names.map(Self.tag)),
                "Layers": JSONValue(names),
            ])
            written.append(
                WrittenImage(
                    id: id, names: image.names, manifest: nil, replacedManifest: nil,
                    manifestChange: nil))
        }
        try place.put(try JSONValue.array(documents).document(), as: DockerArchive.manifestName)
        try place.finish()
        return written
    }

    /// The name with a tag, without which no reader takes it.
    private static func tag(_ name: String) -> String {
        let last = name.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        return last.contains(":") || last.contains("@") ? name : name + ":latest"
    }
}
