// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// The names in several directories, sorted by bytes, each once.
///
/// Merged while they are asked for: no name is held but the next of each directory, so that a
/// directory of a million names costs no more than its listing.
struct SortedNames: Sequence, IteratorProtocol {
    /// How far one listing has been read.
    private struct Cursor {
        let listing: DirectoryListing
        var position = 0
        var name: RawPath

        init?(_ listing: DirectoryListing) {
            guard let first = listing.first else { return nil }
            (self.listing, name) = (listing, first.name)
        }

        /// Steps to the next name; false behind the last.
        mutating func advance() -> Bool {
            position += 1
            if position == listing.count { return false }
            name = listing[position].name
            return true
        }
    }

    private var cursors: [Cursor]

    /// Names that are known, sorted, from the back.
    private var known: [RawPath] = []

    init(_ listings: [DirectoryListing]) { cursors = listings.compactMap { Cursor($0) } }

    /// Takes names that are sorted by bytes, each once.
    init(_ names: [RawPath]) { (cursors, known) = ([], names.reversed()) }

    /// Takes the later half of names that are known away; nil where there are few.
    mutating func splitOff() -> SortedNames? {
        if known.count < 2 { return nil }
        let count = known.count / 2
        let half = Array(known[..<count].reversed())
        known.removeFirst(count)
        return SortedNames(half)
    }

    mutating func next() -> RawPath? {
        if let name = known.popLast() { return name }
        guard var least = cursors.first?.name else { return nil }
        for cursor in cursors.dropFirst() where cursor.name < least { least = cursor.name }
        // From the back, since what is at its end goes.
        for index in cursors.indices.reversed() where cursors[index].name == least {
            if !cursors[index].advance() { cursors.remove(at: index) }
        }
        return least
    }
}
