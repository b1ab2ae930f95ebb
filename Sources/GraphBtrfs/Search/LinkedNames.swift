// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphSystem

/// Finds in one layer's tree the names of files that have several.
final class LinkedNames {
    private let tree: Directory
    private let subvolume: Subvolume
    /// The files whose names have been told.
    private var told: Set<UInt64> = []
    private var toldCount = 0
    /// Whether none of the files looked at has several names.
    var isEmpty: Bool { told.isEmpty }
    /// Whether there are more names than are worth to be told; then some are left out.
    var isTooMuch: Bool { toldCount > CandidateNames.namesMax }
    /// The paths in the tree of directories; nil for those outside of it.
    private var directories: [UInt64: RawPath?] = [:]

    /// Looks into a tree, which lies in a subvolume with others.
    init(_ tree: Directory) {
        (self.tree, subvolume) = (tree, Subvolume(tree))
    }

    /// All names of the files with several that have one among these paths, or below one that is
    /// taken with its tree; each file's once.
    func names(of paths: ChangedPaths) throws(SyscallError) -> [RawPath] {
        var found: [RawPath] = []
        var waiting = [(path: RawPath(""), place: paths.root)]
        while let (path, place) = waiting.popLast() {
            guard let directory = try tree.openIfPresent(path) else { continue }
            if place.isWholeTree {
                try TreeFiles(below: directory).visit { (_, _, _, status) throws(SyscallError) in
                    try tell(status, &found)
                }
                continue
            }
            for name in place.names {
                guard let status = try directory.statusIfPresent(of: name) else { continue }
                try tell(status, &found)
                if status.type == .directory, let below = place[name], !below.isEmpty {
                    waiting.append((path.appending(name), below))
                }
            }
        }
        return found
    }

    /// All names of a file with several, told by one of them.
    func names(at path: RawPath) throws(SyscallError) -> [RawPath] {
        var found: [RawPath] = []
        var names = path.components
        guard let name = names.popLast(),
            let directory = try tree.openIfPresent(RawPath(joining: names)),
            let status = try directory.statusIfPresent(of: name)
        else { return found }
        try tell(status, &found)
        return found
    }

    private func tell(_ status: FileStatus, _ found: inout [RawPath]) throws(SyscallError) {
        guard status.type != .directory, status.links > 1, !isTooMuch,
            told.insert(status.inode).inserted
        else { return }
        for name in try subvolume.names(ofInode: status.inode) {
            guard let directory = try path(of: name.directory) else { continue }
            found.append(directory.appending(name.name))
            toldCount += 1
        }
    }

    private func path(of directory: UInt64) throws(SyscallError) -> RawPath? {
        if let known = directories[directory] { return known }
        let path = BtrfsLayout.pathInTree(try subvolume.path(ofDirectory: directory))
        directories[directory] = .some(path)
        return path
    }
}
