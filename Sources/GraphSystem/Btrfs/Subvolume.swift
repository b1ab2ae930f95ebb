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

/// A btrfs subvolume: a tree of its own in a btrfs filesystem, which appears as a directory.
///
/// On other filesystems every call here fails with `ENOTTY`.
package struct Subvolume: Sendable {
    /// Its root, open; or another directory in it, where a call allows that.
    package let directory: Directory

    /// Takes an open directory for a subvolume's, which the first call tells.
    package init(_ directory: Directory) { self.directory = directory }

    /// Opens a subvolume by its name.
    package init(_ name: RawPath, in parent: Directory) throws(SyscallError) {
        directory = try parent.openDirectory(name)
    }

    var raw: CInt { directory.raw }

    /// Makes an empty subvolume; `btrfs_util_create_subvolume_fd`.
    ///
    /// Commits a transaction: it is on disk when this returns.
    package static func make(_ name: RawPath, in parent: Directory) throws(SyscallError) {
        try BtrfsUtility.call("btrfs_util_create_subvolume_fd(\(name))") { functions in
            name.withCString { functions.create_subvolume_fd(parent.raw, $0, 0, nil, nil) }
        }
    }

    /// Makes another subvolume that shares all blocks with this one;
    /// `btrfs_util_create_snapshot_fd2`.
    ///
    /// Writes this one's new data, commits a transaction, and costs the same for any size.
    /// Subvolumes in this one are empty directories in the snapshot.
    package func makeSnapshot(
        _ name: RawPath, in parent: Directory, isReadOnly: Bool = false
    ) throws(SyscallError) {
        let flags = isReadOnly ? CInt(BTRFS_UTIL_CREATE_SNAPSHOT_READ_ONLY) : 0
        try BtrfsUtility.call("btrfs_util_create_snapshot_fd2(\(name))") { functions in
            name.withCString { functions.create_snapshot_fd2(raw, parent.raw, $0, flags, nil, nil) }
        }
    }

    /// Frees a subvolume with all that is in it; `btrfs_util_delete_subvolume_fd`.
    ///
    /// Its name is gone at once; the kernel frees the blocks later. What is mounted in it is
    /// unmounted without a question.
    ///
    /// - Throws: `ENOTEMPTY` when other subvolumes lie in it, `EROFS` when `parent` lies in a
    ///   read-only one, `EPERM` without privileges unless the filesystem is mounted with
    ///   `user_subvol_rm_allowed`.
    package static func destroy(_ name: RawPath, in parent: Directory) throws(SyscallError) {
        try BtrfsUtility.call("btrfs_util_delete_subvolume_fd(\(name))") { functions in
            name.withCString { functions.delete_subvolume_fd(parent.raw, $0, 0) }
        }
    }

    /// Whether the subvolume refuses every change; `btrfs_util_get_subvolume_read_only_fd`.
    package func isReadOnly() throws(SyscallError) -> Bool {
        var isReadOnly = false
        try BtrfsUtility.call("btrfs_util_get_subvolume_read_only_fd") {
            $0.get_subvolume_read_only_fd(raw, &isReadOnly)
        }
        return isReadOnly
    }

    /// Makes the subvolume read-only, or writable again; `btrfs_util_set_subvolume_read_only_fd`.
    ///
    /// Commits a transaction, which does not write files' data that is still in memory.
    package func setReadOnly(_ isReadOnly: Bool) throws(SyscallError) {
        try BtrfsUtility.call("btrfs_util_set_subvolume_read_only_fd") {
            $0.set_subvolume_read_only_fd(raw, isReadOnly)
        }
    }

    /// The subvolume's id, never used again; `btrfs_util_subvolume_id_fd`.
    package func id() throws(SyscallError) -> UInt64 {
        var id: UInt64 = 0
        try BtrfsUtility.call("btrfs_util_subvolume_id_fd") { $0.subvolume_id_fd(raw, &id) }
        return id
    }

    /// One of the subvolumes that lie in this one, however deep in its directories, though not in
    /// another subvolume; `BTRFS_IOC_GET_SUBVOL_ROOTREF`, `BTRFS_IOC_INO_LOOKUP_USER`.
    ///
    /// - Throws: `ENAMETOOLONG` where its path is longer than 3,800 bytes.
    package func firstNested() throws(SyscallError) -> NestedSubvolume? {
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
}
