// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import SystemPackage

/// The space that a tree of files takes.
public struct TreeUsage: Hashable, Sendable {
    /// Bytes of disk blocks, each inode counted once.
    public var bytes: UInt64 = 0
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
    public func treeUsage(
        isCancelled: () -> Bool = { false }
    ) throws(SyscallError) -> TreeUsage {
        let top = try status()
        var usage = TreeUsage(bytes: top.allocatedBytes, inodes: 1)
        var counted: Set<FileIdentity> = []
        var walk = TreeWalk()
        // The walk opens the directory again, because a descriptor has one reading position.
        try walk.enter(
            try openDirectory("."), named: "", top,
            try addFiles(to: &usage, &counted, top.device, isCancelled))
        while !walk.isAtEnd {
            guard let name = walk.current.next()?.name else {
                _ = try walk.leave()
                continue
            }
            do throws(SyscallError) {
                let directory = try walk.directory.openDirectory(name)
                let status = try directory.status()
                if status.device != top.device || status.isMountRoot { continue }
                usage.bytes += status.allocatedBytes
                usage.inodes += 1
                try walk.enter(
                    directory, named: name, status,
                    try directory.addFiles(to: &usage, &counted, top.device, isCancelled))
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
        to usage: inout TreeUsage, _ counted: inout Set<FileIdentity>, _ device: DeviceNumber,
        _ isCancelled: () -> Bool
    ) throws(SyscallError) -> DirectoryListing {
        try listing { (entry) throws(SyscallError) in
            if isCancelled() { throw SyscallError(call: "statx", errno: .canceled) }
            if entry.type == .directory { return true }
            guard let status = try statusIfPresent(of: entry.name), status.device == device,
                !status.isMountRoot
            else { return false }
            if status.type == .directory { return true }
            if status.links > 1, !counted.insert(status.identity).inserted { return false }
            usage.bytes += status.allocatedBytes
            usage.inodes += 1
            return false
        }
    }
}
