// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// What is in a directory and below it and is no directory itself.
package struct TreeFiles {
    private let top: Directory

    /// Looks at the files below a directory when they are visited.
    package init(below top: Directory) { self.top = top }

    /// Visits them all.
    ///
    /// `body` gets the way from the top, the directory that has the name, the name and its status.
    package func visit(
        _ body: (TreeWay, Directory, RawPath, FileStatus) throws(SyscallError) -> Void
    ) throws(SyscallError) {
        var walk = TreeWalk()
        var ways = [TreeWay()]
        try walk.enter(try top.openDirectory("."), named: "", try top.status())
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
