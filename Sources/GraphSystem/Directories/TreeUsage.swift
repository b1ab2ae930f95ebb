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

extension TreeUsage {
    /// Adds up a directory and everything below it; `statx(2)` of each name.
    ///
    /// What is mounted in it, or lies on another filesystem, does not count. Names that go away
    /// meanwhile are passed over. `isCancelled` is asked at each; then `ECANCELED` is thrown.
    package init(
        of directory: Directory, isCancelled: () -> Bool = { false }
    ) throws(SyscallError) {
        var count = try TreeCount(of: directory)
        try count.run(isCancelled) { (_, _, _, status) in status.allocatedBytes }
        self = count.usage
    }

    /// The same without the blocks that files share with those of another tree, which counts them.
    ///
    /// Files that `isUntouched` says have been left as they are there are not asked; of others the
    /// filesystem tells (`FS_IOC_FIEMAP`). Blocks that only files of this tree share count once.
    package init(
        of directory: Directory, beside base: Directory?,
        isUntouched: @escaping (FileStatus) -> Bool = { _ in false },
        isCancelled: () -> Bool = { false }
    ) throws(SyscallError) {
        var own = OwnUsage(base: base, isUntouched: isUntouched)
        var count = try TreeCount(of: directory)
        try count.run(isCancelled) { (way, directory, name, status) throws(SyscallError) in
            try own.bytes(of: name, in: directory, status) { way.path(of: name) }
        }
        self = count.usage
        bytes += try own.restBytes(isCancelled: isCancelled)
    }
}

/// Counts what lies in a tree, each inode once.
private struct TreeCount {
    /// Tells the bytes of a file.
    typealias Measure = (TreeWay, Directory, RawPath, FileStatus) throws(SyscallError) -> UInt64

    private let directory: Directory
    private let top: FileStatus
    private(set) var usage: TreeUsage
    /// Of the files with several names.
    private var counted: Set<FileIdentity> = []

    init(of directory: Directory) throws(SyscallError) {
        self.directory = directory
        top = try directory.status()
        usage = TreeUsage(bytes: top.allocatedBytes, inodes: 1)
    }

    mutating func run(_ isCancelled: () -> Bool, _ measure: Measure) throws(SyscallError) {
        var walk = TreeWalk()
        var ways = [TreeWay()]
        // The walk opens the directory again, because a descriptor has one reading position.
        try walk.enter(
            try directory.openDirectory("."), named: "", top,
            try addFiles(of: directory, ways[0], isCancelled, measure))
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
                    try addFiles(of: directory, way, isCancelled, measure))
                ways.append(way)
            } catch let error where error.errno == .noSuchFileOrDirectory {
                continue
            }
        }
    }

    /// Adds up what is in a directory and is none itself, and lists those that are.
    ///
    /// Counted as it is read: a directory of a million files costs no list of their names.
    private mutating func addFiles(
        of directory: Directory, _ way: TreeWay, _ isCancelled: () -> Bool, _ measure: Measure
    ) throws(SyscallError) -> DirectoryListing {
        try directory.listing { (entry) throws(SyscallError) in
            if isCancelled() { throw SyscallError(call: "statx", errno: .canceled) }
            if entry.type == .directory { return true }
            guard let status = try directory.statusIfPresent(of: entry.name),
                status.device == top.device, !status.isMountRoot
            else { return false }
            if status.type == .directory { return true }
            if status.links > 1, !counted.insert(status.identity).inserted { return false }
            usage.bytes += try measure(way, directory, entry.name, status)
            usage.inodes += 1
            return false
        }
    }
}
