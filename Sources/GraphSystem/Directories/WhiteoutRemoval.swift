// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import SystemPackage

extension Directory {
    /// Removes every name in this directory and below it that `isWhiteout` calls a deletion, and the
    /// extended attribute `mark` from each directory that has it.
    ///
    /// `isWhiteout` is asked about names of the type `type`. The times of the directories stay as they
    /// are.
    ///
    /// `isCancelled` is asked at each name; then `ECANCELED` is thrown.
    package func removeWhiteouts(
        andMark mark: String? = nil, of type: FileType = .characterDevice,
        _ isWhiteout: (FileStatus, RawPath, Directory) throws(SyscallError) -> Bool,
        isCancelled: () -> Bool = { false }
    ) throws(SyscallError) {
        func remove(from directory: Directory) throws(SyscallError) {
            guard let mark, try directory.attribute(mark, of: ".") != nil else { return }
            try directory.removeAttribute(mark, of: ".")
        }
        var walk = TreeWalk()
        try walk.enter(try openDirectory("."), named: "", try status())
        try remove(from: self)
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
                try remove(from: below)
                try walk.enter(below, named: entry.name, try below.status())
            } else if found == type {
                let status = try walk.directory.status(of: entry.name)
                guard try isWhiteout(status, entry.name, walk.directory) else { continue }
                try walk.directory.removeFile(entry.name)
                walk.current.isChanged = true
            }
        }
    }
}
