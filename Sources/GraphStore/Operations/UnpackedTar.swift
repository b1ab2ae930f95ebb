// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore

/// What is known of a tar that has been unpacked.
struct UnpackedTar: Sendable {
    let digest: Digest
    let byteCount: UInt64
    // Goes from the thread that unpacked to the one that records, and is never at both.
    nonisolated(unsafe) let recipe: PendingRecipe
    let warnings: [LayerWarning]
    var timings: WorkTimings

    /// Refuses a tar that is not the one that was meant.
    func require(_ wanted: Digest) throws(DriverError) {
        if digest != wanted {
            throw DriverError(
                .digestMismatch, "the layer's digest is \(digest), not \(wanted)")
        }
    }
}
