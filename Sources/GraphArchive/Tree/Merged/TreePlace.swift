// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// A name in a directory of a tree; the whole path is made only where it is wanted.
struct TreePlace: Sendable {
    let directory: TreeWay
    let name: RawPath
    /// The name as a directory, if it is one that is walked.
    var own: TreeWay?

    init(_ name: RawPath, in directory: TreeWay) {
        (self.name, self.directory) = (name, directory)
    }

    /// The path from the root.
    var path: RawPath { directory.path(of: name) }

    /// Refuses a name whose path no archive takes, before anything is made of it.
    ///
    /// - Throws: ``ArchiveError/Code/unsupported``.
    func requireFits() throws(ArchiveError) {
        let count = directory.byteCount(of: name)
        if count <= TarLimits.pathBytes { return }
        let start = RawPath(partOf: path.bytes.prefix(Self.shownBytes))
        throw ArchiveError(
            .unsupported,
            "/\(start)... is a path of \(count) bytes, of which a layer tar takes"
                + " \(TarLimits.pathBytes): mount the layer, and move or remove what lies so deep")
    }

    private static let shownBytes = 60
}
