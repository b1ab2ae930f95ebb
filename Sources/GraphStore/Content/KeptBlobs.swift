// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSQLite
import GraphSystem
import SystemPackage

/// Layers as they came, compressed, that are kept beside what was unpacked of them.
struct KeptBlobs: Sendable {
    let directory: BlobDirectory
    let catalog: Catalog
    let owner: OperationOwner
    let access: WriteAccess
    let space: FreeSpaceGuard

    /// A layer as it came, compressed, where it was kept; nil where it was not.
    func open(_ digest: String) throws(DriverError) -> OwnedDescriptor? {
        try directory.open(digest)
    }

    /// Keeps a layer as it came, for as long as a manifest of an image names it; nothing where it is kept.
    func keep(
        _ digest: String, _ write: (any ByteSink) throws(DriverError) -> Void
    ) throws(DriverError) {
        try access.require("keep a blob")
        if try directory.open(digest) != nil { return }
        do throws(DriverError) {
            try directory.keep(digest, owner: try owner.number(), write)
        } catch {
            throw space.naming(error)
        }
    }

    /// Removes the blobs that no manifest names, and what dead processes left of others.
    ///
    /// With `digests` only those are looked at, as when an image goes.
    func removeUnnamed(among digests: Set<String>? = nil) throws(DriverError) {
        for (name, item) in try directory.inventory() {
            switch item {
            case .foreign: continue
            case .unfinished(let owner):
                if digests != nil { continue }
                if try self.owner.isAlive(owner) { continue }
            case .blob(let digest):
                if let digests, !digests.contains(digest) { continue }
                let isNamed = try catalog.consistent("look for the blob \(digest)") {
                    try ImageQueries($0).isNamed(blob: digest)
                }
                if isNamed { continue }
            }
            try space.withReserve { () throws(DriverError) in try directory.remove(name) }
        }
    }

    /// The names in the directory that the store does not make.
    func foreign() throws(DriverError) -> [String] {
        try directory.inventory().compactMap {
            if case .foreign = $0.item { $0.name.description } else { nil }
        }
    }

    /// The blobs that are not what their names say; of those named by sha256, which an export does not
    /// have to find out.
    func findings(_ observer: WorkObserver) throws(DriverError) -> [Finding] {
        var findings: [Finding] = []
        for (_, item) in try directory.inventory() {
            guard case .blob(let digest) = item, digest.hasPrefix("sha256:"),
                let file = try directory.open(digest)
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
                    .contentChanged, "blobs/\(BlobDirectory.name(digest))",
                    "it has the digest \(source.digest) now"))
        }
        return findings
    }
}
