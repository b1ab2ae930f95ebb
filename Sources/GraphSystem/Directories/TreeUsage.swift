// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import SystemPackage

/// The space that a tree of files takes.
public struct TreeUsage: Hashable, Sendable {
    /// Bytes of disk blocks, each inode counted once.
    public var bytes: UInt64 = 0
    /// Files, directories and all else that has an inode; what has several names is counted once.
    public var inodes: UInt64 = 0

    /// Describes what a tree takes.
    public init(bytes: UInt64 = 0, inodes: UInt64 = 0) {
        (self.bytes, self.inodes) = (bytes, inodes)
    }
}

extension Directory {
    /// Adds up this directory and everything below it; `statx(2)` of each name.
    ///
    /// What is mounted in it, or lies on another filesystem, does not count. Names that go away
    /// meanwhile are passed over. `isCancelled` is asked at each; then `ECANCELED` is thrown.
    package func treeUsage(
        isCancelled: () -> Bool = { false }
    ) throws(SyscallError) -> TreeUsage {
        try addUp(isCancelled) { (_, _, _, status) in status.allocatedBytes }
    }

    /// The same without the blocks that files share with those of another tree, which counts them.
    ///
    /// Files that `isUntouched` says have been left as they are there are not asked; of others the
    /// filesystem tells (`FS_IOC_FIEMAP`). Blocks that only files of this tree share count once.
    package func treeUsage(
        beside base: Directory?, isUntouched: @escaping (FileStatus) -> Bool = { _ in false },
        isCancelled: () -> Bool = { false }
    ) throws(SyscallError) -> TreeUsage {
        var own = OwnUsage(base: base, isUntouched: isUntouched)
        var usage = try addUp(isCancelled) {
            (way, directory, name, status) throws(SyscallError) in
            try own.bytes(of: name, in: directory, status) { way.path(of: name) }
        }
        usage.bytes += try own.restBytes(isCancelled: isCancelled)
        return usage
    }

    private typealias Measure = (TreeWay, Directory, RawPath, FileStatus) throws(SyscallError)
        -> UInt64

    private func addUp(
        _ isCancelled: () -> Bool, _ measure: Measure
    ) throws(SyscallError) -> TreeUsage {
        let top = try status()
        var usage = TreeUsage(bytes: top.allocatedBytes, inodes: 1)
        var counted: Set<FileIdentity> = []
        var walk = TreeWalk()
        var ways = [TreeWay()]
        // The walk opens the directory again, because a descriptor has one reading position.
        try walk.enter(
            try openDirectory("."), named: "", top,
            try addFiles(ways[0], to: &usage, &counted, top.device, isCancelled, measure))
        while !walk.isAtEnd {
            guard let name = walk.current.next()?.name else {
                _ = try walk.leave()
                ways.removeLast()
                continue
            }
            do throws(SyscallError) {
                let directory = try walk.directory.openDirectory(name)
                let status = try directory.status()
                if status.device != top.device || status.isMountRoot { continue }
                usage.bytes += status.allocatedBytes
                usage.inodes += 1
                let way = TreeWay(name, in: ways[ways.count - 1])
                try walk.enter(
                    directory, named: name, status,
                    try directory.addFiles(
                        way, to: &usage, &counted, top.device, isCancelled, measure))
                ways.append(way)
            } catch let error where error.errno == .noSuchFileOrDirectory {
                continue
            }
        }
        return usage
    }

    /// Adds up what is in this directory and is none itself, and lists those that are.
    ///
    /// Counted as it is read: a directory of a million files costs no list of their names.
    private func addFiles(
        _ way: TreeWay, to usage: inout TreeUsage, _ counted: inout Set<FileIdentity>,
        _ device: DeviceNumber, _ isCancelled: () -> Bool, _ measure: Measure
    ) throws(SyscallError) -> DirectoryListing {
        try listing { (entry) throws(SyscallError) in
            if isCancelled() { throw SyscallError(call: "statx", errno: .canceled) }
            if entry.type == .directory { return true }
            guard let status = try statusIfPresent(of: entry.name), status.device == device,
                !status.isMountRoot
            else { return false }
            if status.type == .directory { return true }
            if status.links > 1, !counted.insert(status.identity).inserted { return false }
            usage.bytes += try measure(way, self, entry.name, status)
            usage.inodes += 1
            return false
        }
    }
}
