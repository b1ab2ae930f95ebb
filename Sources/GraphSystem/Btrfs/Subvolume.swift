// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// Where a subvolume lies within another one.
package struct NestedSubvolume: Hashable, Sendable {
    /// The directory that holds it, relative to the outer subvolume; empty for that one's root.
    package let directory: RawPath
    package let name: RawPath
}

/// btrfs subvolumes: trees of their own in a btrfs filesystem, which appear as directories.
///
/// On other filesystems every call here fails with `ENOTTY`.
extension Directory {
    /// Makes an empty subvolume in this directory; `btrfs_util_create_subvolume_fd`.
    ///
    /// Commits a transaction: it is on disk when this returns.
    package func makeSubvolume(_ name: RawPath) throws(SyscallError) {
        try BtrfsUtility.call("btrfs_util_create_subvolume_fd(\(name))") { functions in
            name.withCString { functions.create_subvolume_fd(raw, $0, 0, nil, nil) }
        }
    }

    /// Makes a subvolume in this directory that shares all blocks with `source`, which is one
    /// itself; `btrfs_util_create_snapshot_fd2`.
    ///
    /// Writes the source's new data, commits a transaction, and costs the same for any size.
    /// Subvolumes in the source are empty directories in the snapshot.
    package func makeSnapshot(
        _ name: RawPath, of source: Directory, isReadOnly: Bool = false
    ) throws(SyscallError) {
        let flags = isReadOnly ? CInt(BTRFS_UTIL_CREATE_SNAPSHOT_READ_ONLY) : 0
        try BtrfsUtility.call("btrfs_util_create_snapshot_fd2(\(name))") { functions in
            name.withCString { functions.create_snapshot_fd2(source.raw, raw, $0, flags, nil, nil) }
        }
    }

    /// Frees a subvolume in this directory with all that is in it; `btrfs_util_delete_subvolume_fd`.
    ///
    /// Its name is gone at once; the kernel frees the blocks later. What is mounted in it is
    /// unmounted without a question.
    ///
    /// - Throws: `ENOTEMPTY` when other subvolumes lie in it, `EROFS` when this directory lies in
    ///   a read-only one, `EPERM` without privileges unless the filesystem is mounted with
    ///   `user_subvol_rm_allowed`.
    package func destroySubvolume(_ name: RawPath) throws(SyscallError) {
        try BtrfsUtility.call("btrfs_util_delete_subvolume_fd(\(name))") { functions in
            name.withCString { functions.delete_subvolume_fd(raw, $0, 0) }
        }
    }

    /// Whether this subvolume refuses every change;
    /// `btrfs_util_get_subvolume_read_only_fd`.
    package func isReadOnlySubvolume() throws(SyscallError) -> Bool {
        var isReadOnly = false
        try BtrfsUtility.call("btrfs_util_get_subvolume_read_only_fd") {
            $0.get_subvolume_read_only_fd(raw, &isReadOnly)
        }
        return isReadOnly
    }

    /// Makes this subvolume read-only, or writable again;
    /// `btrfs_util_set_subvolume_read_only_fd`.
    ///
    /// Commits a transaction, which does not write files' data that is still in memory.
    package func setReadOnlySubvolume(_ isReadOnly: Bool) throws(SyscallError) {
        try BtrfsUtility.call("btrfs_util_set_subvolume_read_only_fd") {
            $0.set_subvolume_read_only_fd(raw, isReadOnly)
        }
    }

    /// The id, never used again, of the subvolume that this directory lies in;
    /// `btrfs_util_subvolume_id_fd`.
    package func subvolumeID() throws(SyscallError) -> UInt64 {
        var id: UInt64 = 0
        try BtrfsUtility.call("btrfs_util_subvolume_id_fd") { $0.subvolume_id_fd(raw, &id) }
        return id
    }

    /// One of the subvolumes that lie in this one, however deep in its directories, though not in
    /// another subvolume; `BTRFS_IOC_GET_SUBVOL_ROOTREF`, `BTRFS_IOC_INO_LOOKUP_USER`.
    ///
    /// - Throws: `ENAMETOOLONG` where its path is longer than 3,800 bytes.
    package func firstNestedSubvolume() throws(SyscallError) -> NestedSubvolume? {
        var path = [CChar](repeating: 0, count: 4_096)
        var name = [CChar](repeating: 0, count: 256)
        let found = try checked("ioctl(BTRFS_IOC_GET_SUBVOL_ROOTREF)") {
            cgraph_btrfs_child(raw, &path, &name)
        }
        guard found == 1 else { return nil }
        let directory = RawPath(joining: Self.path(path).components)
        return NestedSubvolume(directory: directory, name: Self.path(name))
    }

    private static func path(_ text: [CChar]) -> RawPath {
        RawPath(trusted: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) })
    }

    /// Commits what has changed on this btrfs and wakes the threads that free dropped subvolumes;
    /// `btrfs_util_sync_fd`.
    package func commitSubvolumes() throws(SyscallError) {
        try BtrfsUtility.call("btrfs_util_sync_fd") { $0.sync_fd(raw) }
    }

    /// How many subvolumes of this filesystem were destroyed whose blocks are still to be freed;
    /// `btrfs_util_deleted_subvolumes_fd`, which needs privileges.
    package func deadSubvolumeCount() throws(SyscallError) -> Int {
        var ids: UnsafeMutablePointer<UInt64>?
        var count = 0
        try BtrfsUtility.call("btrfs_util_deleted_subvolumes_fd") {
            $0.deleted_subvolumes_fd(raw, &ids, &count)
        }
        free(ids)
        return count
    }

    /// Whether blocks of a subvolume, perhaps destroyed, are still to be freed;
    /// `btrfs_util_subvolume_info_fd`, which needs privileges.
    package func hasSubvolume(id: UInt64) throws(SyscallError) -> Bool {
        do throws(SyscallError) {
            try BtrfsUtility.call("btrfs_util_subvolume_info_fd") {
                $0.subvolume_info_fd(raw, id, nil)
            }
            return true
        } catch  where error.errno == .noSuchFileOrDirectory {
            return false
        }
    }
}
