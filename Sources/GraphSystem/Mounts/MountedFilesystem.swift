// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
package import SystemPackage

/// A filesystem on a block device, by the root of a mount of it.
package struct MountedFilesystem: Sendable {
    private let root: Directory

    /// Takes the filesystem that a directory lies on.
    package init(at root: Directory) { self.root = root }

    /// Lets an ext4 take `bytes` of its device; `EXT4_IOC_RESIZE_FS`.
    package func growExt4(toBytes bytes: UInt64) throws(SyscallError) {
        let block = try root.descriptor.filesystem().blockBytes
        try checked("ioctl(EXT4_IOC_RESIZE_FS)") { cgraph_ext4_resize(root.raw, bytes / block) }
    }

    /// Lets an xfs take `bytes` of its device; `XFS_IOC_FSGROWFSDATA`.
    package func growXFS(toBytes bytes: UInt64) throws(SyscallError) {
        let block = try root.descriptor.filesystem().blockBytes
        try checked("ioctl(XFS_IOC_FSGROWFSDATA)") { cgraph_xfs_grow(root.raw, bytes / block) }
    }

    /// The bytes that an xfs takes of its device; `XFS_IOC_FSGEOMETRY_V1`.
    package func bytesOfXFS() throws(SyscallError) -> UInt64 {
        var bytes: UInt64 = 0
        try checked("ioctl(XFS_IOC_FSGEOMETRY)") { cgraph_xfs_bytes(root.raw, &bytes) }
        return bytes
    }

    /// Has the filesystem give all blocks that it does not use back to its device; `FITRIM`.
    ///
    /// - Returns: The bytes that were given back, again those that it gave back before.
    /// - Throws: `EOPNOTSUPP` where filesystem or device cannot do that.
    @discardableResult
    package func trim() throws(SyscallError) -> UInt64 {
        var bytes: UInt64 = 0
        try checked("ioctl(FITRIM)") { cgraph_trim(root.raw, &bytes) }
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
