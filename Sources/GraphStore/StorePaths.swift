// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// The files of a store, as paths.
struct StorePaths: Sendable {
    let root: FilePath
    let runRoot: FilePath

    /// The records.
    var database: FilePath { root.appending("graph.db") }
    /// Locked bytes tell which intents have a living owner, and which layers are being mounted, unmounted,
    /// committed or removed.
    var owners: FilePath { root.appending("owners.lock") }
    /// How applied tars are put together again.
    var recipes: FilePath { root.appending("recipes") }
    /// Layers as they came.
    var blobs: FilePath { root.appending(BlobDirectory.name.description) }
    /// Space that a full disk leaves for removing layers.
    var reserve: FilePath { root.appending("reserve") }
    /// The records of mounts.
    var mounts: FilePath { runRoot.appending("mounts.db") }
    /// A locked byte tells that the records of mounts are being made; others, which layers of a store
    /// that is only read are being mounted or unmounted.
    var layerLocks: FilePath { runRoot.appending("mounts.lock") }
    /// Mount points that the store makes.
    var mountPoints: FilePath { runRoot.appending("mnt") }

    /// Says for which boot of the machine a store's mounts were recorded.
    func boot(_ storeID: String) -> FilePath { runRoot.appending("boot-" + storeID) }

    /// What the store opens at the root by name, and what it is.
    static let rootNames: [(name: RawPath, type: GraphSystem.FileType?)] = [
        ("graph.db", .regular), ("graph.db-wal", .regular), ("graph.db-shm", .regular),
        ("owners.lock", .regular), ("recipes", .directory), ("trash", .directory),
        ("blobs", .directory),
        // The first stores had a file.
        ("reserve", nil),
    ]
    /// The same of the run root.
    static let runRootNames: [(name: RawPath, type: GraphSystem.FileType?)] = [
        ("mounts.db", .regular), ("mounts.db-wal", .regular), ("mounts.db-shm", .regular),
        ("mounts.lock", .regular), ("mnt", .directory),
    ]

    /// Makes the directory for what a reboot ends, readable by its owner alone.
    ///
    /// What is there already is looked at once more: it may have been made since the store was
    /// opened, in a directory such as `/tmp`.
    func makeRunRoot() throws(DriverError) {
        if let status = try? FileStatus(of: runRoot) {
            return try Trust.require(status, .directory, at: runRoot)
        }
        _ = try TrustedDirectory(runRoot).make()
    }
}
