// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import SystemPackage

/// The space that a tree of files takes.
public struct TreeUsage: Hashable, Sendable {
    /// Bytes of disk blocks, each inode counted once.
    public var bytes: UInt64 = 0
    public var inodes: UInt64 = 0
}

extension Directory {
    /// Adds up this directory and everything below it; `statx(2)` of each name.
    ///
    /// What is mounted in it, or lies on another filesystem, does not count. Names that go away
    /// meanwhile are passed over.
    public func treeUsage() throws(SyscallError) -> TreeUsage {
        let top = try status()
        var usage = TreeUsage(bytes: top.allocatedBytes, inodes: 1)
        var counted: Set<FileIdentity> = []
        var walk = TreeWalk()
        // The walk opens the directory again, because a descriptor has one reading position.
        try walk.enter(try openDirectory("."), named: "", top)
        while !walk.isAtEnd {
            guard walk.current.position < walk.current.listing.count else {
                _ = try walk.leave()
                continue
            }
            let name = walk.current.listing[walk.current.position].name
            walk.current.position += 1
            guard let status = try walk.directory.statusIfPresent(of: name),
                status.device == top.device, !status.isMountRoot
            else { continue }
            if status.type == .directory {
                do throws(SyscallError) {
                    let directory = try walk.directory.openDirectory(name)
                    try walk.enter(directory, named: name, status)
                } catch let error where error.errno == .noSuchFileOrDirectory {
                    continue
                }
            } else if status.links > 1, !counted.insert(status.identity).inserted {
                continue
            }
            usage.bytes += status.allocatedBytes
            usage.inodes += 1
        }
        return usage
    }
}
