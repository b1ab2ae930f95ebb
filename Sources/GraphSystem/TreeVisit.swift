// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

extension Directory {
    /// Visits what is in this directory and below it and is no directory itself.
    ///
    /// `body` gets the path from here, the directory that has the name, the name and its status.
    public func visitFiles(
        _ body: (RawPath, Directory, RawPath, FileStatus) throws(SyscallError) -> Void
    ) throws(SyscallError) {
        var walk = TreeWalk()
        var path: [RawPath] = []
        try walk.enter(try openDirectory("."), named: "", try status())
        while !walk.isAtEnd {
            guard walk.current.position < walk.current.listing.count else {
                _ = try walk.leave()
                _ = path.popLast()
                continue
            }
            let name = walk.current.listing[walk.current.position].name
            walk.current.position += 1
            guard let status = try walk.directory.statusIfPresent(of: name) else { continue }
            if status.type == .directory {
                try walk.enter(try walk.directory.openDirectory(name), named: name, status)
                path.append(name)
            } else {
                try body(RawPath(joining: path + [name]), walk.directory, name, status)
            }
        }
    }
}
