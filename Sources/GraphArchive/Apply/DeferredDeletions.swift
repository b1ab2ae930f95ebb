// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Deletions in directories that a layer has not named yet.
///
/// Only at the end of the archive it is known whether the layer has the directory, or deletes it as
/// a whole. All paths lie in one buffer, since a layer may have a million of them.
struct DeferredDeletions {
    private var bytes: [UInt8] = []
    private var slots: [Slot] = []

    private struct Slot {
        let offset: Int
        let length: Int32
        let depth: Int32
    }

    /// Keeps the path of a deletion, marker included.
    mutating func append(_ path: RawPath, depth: Int) {
        slots.append(
            Slot(offset: bytes.count, length: Int32(path.count), depth: Int32(depth)))
        bytes.append(contentsOf: path.bytes)
    }

    /// Hands the paths over, those nearer to the root first: what is deleted as a whole is gone
    /// when something in it is to be deleted.
    consuming func visit(_ body: (RawPath) throws(ArchiveError) -> Void) throws(ArchiveError) {
        slots.sort { ($0.depth, $0.offset) < ($1.depth, $1.offset) }
        for slot in slots {
            let range = slot.offset..<(slot.offset + Int(slot.length))
            guard let path = RawPath(validating: bytes[range]) else { continue }
            try body(path)
        }
    }
}
