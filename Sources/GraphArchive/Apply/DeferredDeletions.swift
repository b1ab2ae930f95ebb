// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Deletions in directories that a layer has not named yet, or above parents that are not complete.
///
/// Only at the end of the archive it is known whether the layer has the directory, or deletes it as
/// a whole. A layer may have a million of them, so they are kept as bare bytes.
struct DeferredDeletions {
    /// For each depth the paths, each with a NUL behind it, in pieces, so that growing copies
    /// nothing large.
    private var pieces: [[[UInt8]]] = []
    private static let pieceBytesMax = 1 << 16
    private(set) var byteCount = 0
    /// How much is kept for no other reason than that the parents are not complete.
    static let waitingBytesMax = 1 << 20

    /// Keeps the path of a deletion, marker included.
    mutating func append(_ path: RawPath, depth: Int) {
        while pieces.count <= depth { pieces.append([]) }
        let used = pieces[depth].last?.count ?? Self.pieceBytesMax
        if used + path.count >= Self.pieceBytesMax { pieces[depth].append([]) }
        let last = pieces[depth].count - 1
        pieces[depth][last].append(contentsOf: path.bytes)
        pieces[depth][last].append(0)
        byteCount += path.count + 1
    }

    /// Hands the paths over, those nearer to the root first: what is deleted as a whole is gone
    /// when something in it is to be deleted.
    consuming func visit(_ body: (RawPath) throws(ArchiveError) -> Void) throws(ArchiveError) {
        for piece in pieces.joined() {
            for bytes in piece.lazy.split(separator: 0) {
                guard let path = RawPath(validating: bytes) else { continue }
                try body(path)
            }
        }
    }
}
