// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
import GraphSQLite
public import GraphSystem
import SystemPackage

extension LayerStore {
    private var blobs: BlobFolder {
        BlobFolder(path: paths.root.appending(BlobFolder.name.description))
    }

    /// A layer as it came, compressed, where it was kept; nil where it was not.
    public func keptBlob(_ digest: String) throws(DriverError) -> OwnedDescriptor? {
        try blobs.open(digest)
    }

    /// Keeps a layer as it came, for as long as a manifest of an image names it; nothing where it is kept.
    ///
    /// - Parameters:
    ///   - digest: What a manifest that is recorded calls it.
    ///   - write: Writes and verifies it.
    /// - Throws: What `write` throws when it is not what it should be; then nothing is kept.
    public func keepBlob(
        _ digest: String, _ write: (any ByteSink) throws(DriverError) -> Void
    ) throws(DriverError) {
        try checkWritable("keep a blob")
        if try blobs.open(digest) != nil { return }
        do throws(DriverError) {
            try blobs.keep(digest, owner: try owner(), write)
        } catch {
            throw withResource(error)
        }
    }

    /// Removes the blobs that no manifest names, and what dead processes left of others.
    ///
    /// With `digests` only those are looked at, as when an image goes.
    func removeUnnamedBlobs(among digests: Set<String>? = nil) throws(DriverError) {
        for (name, item) in try blobs.inventory() {
            switch item {
            case .foreign: continue
            case .unfinished(let owner):
                if digests != nil { continue }
                if try isAlive(owner) { continue }
            case .blob(let digest):
                if let digests, !digests.contains(digest) { continue }
                let isNamed = try database.consistent("look for the blob \(digest)") {
                    try ImageQueries($0).isNamed(blob: digest)
                }
                if isNamed { continue }
            }
            try withReserve { () throws(DriverError) in try blobs.remove(name) }
        }
    }

    /// The names in the folder that the store does not make.
    func foreignBlobs() throws(DriverError) -> [String] {
        try blobs.inventory().compactMap {
            if case .foreign = $0.item { $0.name.description } else { nil }
        }
    }

    /// The blobs that are not what their names say; of those named by sha256, which an export does not
    /// have to find out.
    func blobFindings(_ observer: WorkObserver) throws(DriverError) -> [Finding] {
        var findings: [Finding] = []
        for (_, item) in try blobs.inventory() {
            guard case .blob(let digest) = item, digest.hasPrefix("sha256:"),
                let file = try blobs.open(digest)
            else { continue }
            let source = HashingSource(FileSource(file))
            try attempting(
                archive: "read the blob \(digest)",
                try { () throws(ArchiveError) in
                    var buffer = [UInt8](repeating: 0, count: 1 << 18)
                    while try source.read(into: &buffer) > 0 { try observer.requireGoOn() }
                }())
            if source.digest.description == digest { continue }
            findings.append(
                Finding(
                    .contentChanged, "blobs/\(BlobFolder.name(digest))",
                    "it has the digest \(source.digest) now"))
        }
        return findings
    }

    /// What is wrong with the images.
    ///
    /// A deep check compares their documents with the digests.
    func imageFindings(deep: Bool) throws(DriverError) -> [Finding] {
        try database.consistent("look at the images") { connection in
            let (queries, layers) = (ImageQueries(connection), LayerQueries(connection))
            guard try queries.arePresent() else { return [] }
            var findings: [Finding] = []
            for id in try queries.ids() {
                if let top = try queries.top(of: id) {
                    let record = try layers.layer(top)
                    if record?.isVisible != true || record?.layer.kind != .committed {
                        findings.append(
                            Finding(
                                .recordInvalid, "image \(id)",
                                "its topmost layer, number \(top), is not a committed one"))
                    }
                }
                guard deep, let image = try queries.image(id) else { continue }
                var documents = [("sha256:" + id, try queries.configuration(of: id))]
                for manifest in image.manifests where manifest.digest.hasPrefix("sha256:") {
                    documents.append(
                        (manifest.digest, try queries.document(ofManifest: manifest.digest)))
                }
                for (digest, document) in documents {
                    guard let document, Digest.of(document).description != digest else { continue }
                    findings.append(
                        Finding(
                            .contentChanged, "image \(id)",
                            "a document in its record has not the digest \(digest)"))
                }
            }
            return findings
        }
    }
}
