// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
package import SystemPackage

extension OwnedDescriptor {
    /// The next range of the file from `offset` on that may hold other bytes than zeros; nil behind
    /// the last; `lseek(2)` with `SEEK_DATA` and `SEEK_HOLE`, which moves the position.
    package func nextData(from offset: UInt64) throws(SyscallError) -> Range<UInt64>? {
        let start = lseek(rawValue, off_t(offset), CGRAPH_SEEK_DATA)
        if start == -1 {
            if Glibc.errno == ENXIO { return nil }
            throw SyscallError(call: "lseek(SEEK_DATA)", errno: Errno(rawValue: Glibc.errno))
        }
        let end = try checked("lseek(SEEK_HOLE)") { lseek(rawValue, start, CGRAPH_SEEK_HOLE) }
        return UInt64(start)..<UInt64(end)
    }

    /// Gives the blocks of a range of the file back, which then reads as zeros; `fallocate(2)` with
    /// `FALLOC_FL_PUNCH_HOLE`.
    ///
    /// - Throws: `EOPNOTSUPP` where files cannot have holes.
    package func punchHole(at offset: UInt64, length: UInt64) throws(SyscallError) {
        try checked("fallocate(FALLOC_FL_PUNCH_HOLE)") {
            cgraph_punch_hole(rawValue, offset, length)
        }
    }
}

extension Directory {
    /// Has the filesystem mounted here give all blocks that it does not use back to its device;
    /// `FITRIM`.
    ///
    /// - Returns: The bytes that were given back, again those that it gave back before.
    /// - Throws: `EOPNOTSUPP` where filesystem or device cannot do that.
    @discardableResult
    package func trim() throws(SyscallError) -> UInt64 {
        var bytes: UInt64 = 0
        try checked("ioctl(FITRIM)") { cgraph_trim(raw, &bytes) }
        return bytes
    }
}

extension Directory {
    /// The bytes that the xfs mounted here takes of its device; `XFS_IOC_FSGEOMETRY_V1`.
    package func bytesOfXFS() throws(SyscallError) -> UInt64 {
        var bytes: UInt64 = 0
        try checked("ioctl(XFS_IOC_FSGEOMETRY)") { cgraph_xfs_bytes(raw, &bytes) }
        return bytes
    }
}

extension Mount {
    /// Makes the mount without attaching it anywhere, and lends its root; it ends with this call or
    /// with the process.
    package static func withDetachedDevice<Value>(
        _ path: FilePath, type: String, options: [MountOption] = [],
        _ body: (Directory) throws(SyscallError) -> Value
    ) throws(SyscallError) -> Value {
        let context = try FilesystemContext(type)
        try context.set("source", string: path.string)
        for option in options { try context.set(option) }
        let mount = try context.create()
        let root = try OwnedDescriptor.open(mount.descriptor.procPath, [.readOnly, .directory])
        return try body(Directory(owning: root))
    }
}
