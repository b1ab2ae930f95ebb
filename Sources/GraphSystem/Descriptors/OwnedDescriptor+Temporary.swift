// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
package import SystemPackage

extension OwnedDescriptor {
    /// Opens a new file without a name, for reading and writing; `open(2)` with `O_TMPFILE`.
    ///
    /// Its space is free again once it is closed. Where the filesystem cannot do it, a file is made
    /// with a name that is removed at once.
    package static func temporary(in path: FilePath) throws(SyscallError) -> OwnedDescriptor {
        let unnamed = OpenFlags(rawValue: CInt(CGRAPH_O_TMPFILE))
        do throws(SyscallError) {
            return try open(path, [.readWrite, unnamed], permissions: 0o600)
        } catch  where error.errno == .notSupportedOnSocket || error.errno == .isDirectory {
            let directory = try Directory(opening: path)
            let name = RawPath(".temporary-\(getpid())-\(UInt64.random(in: 0...UInt64.max))")
            let file = try directory.open(
                name, [.readWrite, .create, .exclusive], permissions: 0o600)
            try directory.removeFile(name)
            return file
        }
    }
}
