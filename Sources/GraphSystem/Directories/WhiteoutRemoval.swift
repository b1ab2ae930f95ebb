// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import SystemPackage

/// Takes the deletions that a layer records out of a tree.
package struct WhiteoutRemoval {
    private let type: FileType
    private let mark: String?

    /// Describes what is taken out: names of a type, as far as they are said to be deletions, and an
    /// extended attribute of directories.
    package init(of type: FileType, andMark mark: String? = nil) {
        (self.type, self.mark) = (type, mark)
    }

    /// Takes it out of a directory and all below it, whose times stay as they are.
    ///
    /// `isWhiteout` is asked whether a name is a deletion. `isCancelled` is asked at each name; then
    /// `ECANCELED` is thrown.
    package func run(
        in top: Directory,
        _ isWhiteout: (FileStatus, RawPath, Directory) throws(SyscallError) -> Bool,
        isCancelled: () -> Bool = { false }
    ) throws(SyscallError) {
        var walk = TreeWalk()
        try walk.enter(try top.openDirectory("."), named: "", try top.status())
        try removeMark(of: top)
        while !walk.isAtEnd {
            if isCancelled() { throw SyscallError(call: "unlinkat", errno: .canceled) }
            guard let entry = walk.current.next() else {
                if walk.current.isChanged {
                    try walk.directory.descriptor.setTimes(walk.current.status.modified)
                }
                _ = try walk.leave()
                continue
            }
            let found = try entry.type(in: walk.directory)
            if found == .directory {
                let below = try walk.directory.openDirectory(entry.name)
                try removeMark(of: below)
                try walk.enter(below, named: entry.name, try below.status())
            } else if found == type {
                let status = try walk.directory.status(of: entry.name)
                guard try isWhiteout(status, entry.name, walk.directory) else { continue }
                try walk.directory.removeFile(entry.name)
                walk.current.isChanged = true
            }
        }
    }

    private func removeMark(of directory: Directory) throws(SyscallError) {
        guard let mark, try directory.attributes(of: ".").value(of: mark) != nil else { return }
        try directory.attributes(of: ".").remove(mark)
    }
}
