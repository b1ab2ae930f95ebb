// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

extension Directory {
    /// Visits what is in this directory and below it and is no directory itself.
    ///
    /// `body` gets the way from here, the directory that has the name, the name and its status.
    package func visitFiles(
        _ body: (TreeWay, Directory, RawPath, FileStatus) throws(SyscallError) -> Void
    ) throws(SyscallError) {
        var walk = TreeWalk()
        var ways = [TreeWay()]
        try walk.enter(try openDirectory("."), named: "", try status())
        while !walk.isAtEnd {
            guard let name = walk.current.next()?.name else {
                _ = try walk.leave()
                ways.removeLast()
                continue
            }
            let way = ways[ways.count - 1]
            guard let status = try walk.directory.statusIfPresent(of: name) else { continue }
            if status.type == .directory {
                try walk.enter(try walk.directory.openDirectory(name), named: name, status)
                ways.append(TreeWay(name, in: way))
            } else {
                try body(way, walk.directory, name, status)
            }
        }
    }
}
