// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import Synchronization
package import SystemPackage

/// A place where something may be mounted.
package struct MountPoint: Hashable, Sendable {
    package let path: FilePath

    /// Names a place.
    package init(_ path: FilePath) { self.path = path }

    /// The id of the mount whose root is at this path, or nil when the path is no mount's root or
    /// does not exist; `statx(2)`.
    ///
    /// From Linux 6.8 on an id is never used twice (`STATX_MNT_ID_UNIQUE`); before, the number of a
    /// mount that is gone may come back.
    package func mountID() throws(SyscallError) -> UInt64? {
        var raw = cgraph_status()
        do throws(SyscallError) {
            try checked("statx(\(path))") {
                path.withPlatformString {
                    cgraph_statx(AT_FDCWD, $0, 0, Self.uniqueMountID, &raw)
                }
            }
        } catch  where error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory {
            return nil
        }
        return Self.mountID(raw)
    }

    /// The same of an open directory.
    static func mountID(of root: borrowing OwnedDescriptor) throws(SyscallError) -> UInt64? {
        var raw = cgraph_status()
        let descriptor = root.rawValue
        try checked("statx") {
            cgraph_statx(descriptor, "", CGRAPH_AT_EMPTY_PATH, uniqueMountID, &raw)
        }
        return mountID(raw)
    }

    private static func mountID(_ raw: cgraph_status) -> UInt64? {
        // STATX_ATTR_MOUNT_ROOT.
        raw.attributes & 0x2000 != 0 ? raw.mount_id : nil
    }

    /// STATX_MNT_ID_UNIQUE, with STATX_MNT_ID for kernels that ignore it.
    private static let uniqueMountID: CUnsignedInt = 0x5000

    /// Whether the calling thread's mount namespace has a mount, be it visible or mounted over;
    /// `statmount(2)`.
    ///
    /// - Returns: nil where the kernel cannot tell: before Linux 6.8, whose ids are not unique.
    package static func exists(mountID: UInt64) throws(SyscallError) -> Bool? {
        if mountID < firstUniqueMountID { return nil }
        do throws(SyscallError) {
            try checked("statmount(\(mountID))") { cgraph_has_mount(mountID) }
            return true
        } catch  where error.errno == .noSuchFileOrDirectory {
            return false
        } catch  where error.errno == .noFunction || error.errno == .notPermitted {
            return nil
        }
    }

    /// Takes the topmost mount at this path away; `umount2(2)` with `UMOUNT_NOFOLLOW`.
    ///
    /// - Parameter detaching: Also when it is busy: it leaves the tree now and ends with its last
    ///   user (`MNT_DETACH`).
    /// - Throws: `EBUSY` while it is in use, `EINVAL` when nothing is mounted here.
    package func unmount(detaching: Bool = false) throws(SyscallError) {
        let flags = CInt(CGRAPH_UMOUNT_NOFOLLOW | (detaching ? CGRAPH_MNT_DETACH : 0))
        try checked("umount2(\(path))") { path.withPlatformString { umount2($0, flags) } }
    }

    /// What tells the calling thread's mount namespace from others: the inode of its file of nsfs.
    ///
    /// A mount is in one namespace for as long as it is in any, and entering another one changes the root to
    /// a mount of that: while the id of the root's mount is that of the last time, so is the namespace. This
    /// takes a tenth of the way through `/proc`.
    package static func currentNamespace() throws(SyscallError) -> UInt64 {
        var root = cgraph_status()
        try checked("statx(/)") { cgraph_statx(AT_FDCWD, "/", 0, uniqueMountID, &root) }
        // Ids that are not unique may come back in another namespace.
        let isUnique = root.mount_id >= firstUniqueMountID
        if isUnique, let known = lastNamespace.withLock({ $0 }), known.rootMount == root.mount_id {
            return known.namespace
        }
        var raw = cgraph_status()
        try checked("statx(/proc/thread-self/ns/mnt)") {
            cgraph_statx(AT_FDCWD, "/proc/thread-self/ns/mnt", 0, 0, &raw)
        }
        let namespace = raw.inode
        if isUnique { lastNamespace.withLock { $0 = (root.mount_id, namespace) } }
        return namespace
    }

    /// The namespace that was asked for last, and the mount that was the root in it.
    private static let lastNamespace = Mutex<(rootMount: UInt64, namespace: UInt64)?>(nil)

    /// Unique ids begin behind all of the old ones.
    private static let firstUniqueMountID: UInt64 = 1 << 31

    /// The processes that live in a mount namespace, read from `/proc`; those that may not be
    /// looked at are left out.
    package static func processes(inNamespace namespace: UInt64) throws(SyscallError) -> [Int] {
        try Directory(opening: "/proc").listing().compactMap { entry in
            guard let process = Int(entry.name.description) else { return nil }
            var raw = cgraph_status()
            let found = cgraph_statx(AT_FDCWD, "/proc/\(process)/ns/mnt", 0, 0, &raw)
            return found == 0 && raw.inode == namespace ? process : nil
        }
    }
}

extension MountPoint {
    /// Whether something is mounted at or below this directory in the calling thread's mount namespace;
    /// `/proc/thread-self/mountinfo`.
    ///
    /// The directory is looked for where the kernel says that it is, not at a path.
    package static func isAnything(
        mountedBelow directory: Directory
    ) throws(SyscallError) -> Bool {
        let path = try directory.descriptor.name()
        let below = path.joined("/")
        return try all().contains { $0 == path || $0.hasPrefix(below) }
    }

    /// Where something is mounted in the calling thread's mount namespace, in the order of
    /// `/proc/thread-self/mountinfo`.
    package static func all() throws(SyscallError) -> [RawPath] {
        try MountInfoLine.all("/proc/thread-self/mountinfo").map(\.target)
    }

    /// Where a mount namespace is kept without a process, as far as this process's own namespace shows it:
    /// a mount of its file of nsfs.
    package static func pin(ofNamespace namespace: UInt64) throws(SyscallError) -> RawPath? {
        let root = RawPath("mnt:[\(namespace)]")
        return try MountInfoLine.all("/proc/thread-self/mountinfo")
            .first { $0.type == "nsfs" && $0.root == root }?.target
    }
}
