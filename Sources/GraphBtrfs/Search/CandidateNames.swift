// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphSystem

/// Where two trees may differ, as far as it is known: no more names than are worth to be kept.
struct CandidateNames {
    /// More names than these, or bytes in them, are a reason to compare everything.
    static let namesMax = 100_000
    private static let nameBytesMax = 16 << 20

    private(set) var paths = ChangedPaths()

    /// Adds a path in a layer's tree.
    ///
    /// - Returns: Whether there was something to add.
    @discardableResult
    mutating func insert(_ path: RawPath, withTree: Bool = false) throws(Refusal) -> Bool {
        let isNew = paths.insert(path, withTree: withTree)
        if paths.count > Self.namesMax || paths.nameBytes > Self.nameBytesMax {
            throw Self.tooMuch
        }
        return isNew
    }

    static let tooMuch = Refusal("more than \(namesMax) names may differ", isFinal: true)

    /// Adds all names of the files with several that have one among those found.
    mutating func addLinkedNames(in trees: [LinkedNames]) throws(Refusal) {
        var added: [RawPath] = []
        for tree in trees { added += try asking(try tree.names(of: paths)) }
        while let path = added.popLast() {
            if try !insert(path) { continue }
            for tree in trees { added += try asking(try tree.names(at: path)) }
        }
        if trees.contains(where: \.isTooMuch) { throw Self.tooMuch }
        paths.mayHaveLinks = trees.contains { !$0.isEmpty }
    }

    /// Says that all names of changed files, and all changed directories, are among those found, and
    /// whether there are files with several names.
    mutating func areAll(haveLinks: Bool) {
        (paths.mayHaveLinks, paths.namesDirectories) = (haveLinks, true)
    }
}
