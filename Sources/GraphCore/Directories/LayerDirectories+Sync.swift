// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import Synchronization

extension LayerDirectories {
    /// Puts a layer on disk, and everything else on its filesystem with it; `syncfs(2)`.
    ///
    /// A failed write-back is reported once to each open file, and by then the pages are marked
    /// clean: asking again would succeed over lost bytes. So a failure is remembered, and holds for
    /// every layer that there was when it came.
    public func sync(_ layer: LayerNumber) throws(DriverError) {
        let directory = try writableDirectory()
        try require(layer, ".")
        try lastSyncFailure.withLock { last throws(DriverError) in
            if let last, layer <= last.newest {
                throw DriverError(
                    "put layer \(layer) on disk: an earlier write to this filesystem has failed",
                    last.error)
            }
            do throws(SyscallError) {
                try directory.descriptor.syncFilesystem()
            } catch {
                let numbers = try inventory().compactMap { item -> LayerNumber? in
                    if case .layer(let number) = item.kind { number } else { nil }
                }
                last = SyncFailure(newest: numbers.max() ?? layer, error: error)
                throw DriverError("put layer \(layer) on disk", error)
            }
        }
    }
}

/// A failed `syncfs(2)`, and the newest layer that it may have damaged.
struct SyncFailure: Sendable {
    let newest: LayerNumber
    let error: SyscallError
}
