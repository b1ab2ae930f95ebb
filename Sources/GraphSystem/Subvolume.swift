// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// Where a subvolume lies within another one.
public struct NestedSubvolume: Hashable, Sendable {
    /// The directory that holds it, relative to the outer subvolume; empty for that one's root.
    public let directory: RawPath
    public let name: RawPath
}

/// btrfs subvolumes: trees of their own in a btrfs filesystem, which appear as directories.
///
/// On other filesystems every call here fails with `ENOTTY`.
extension Directory {
    /// Makes an empty subvolume in this directory; `BTRFS_IOC_SUBVOL_CREATE_V2`.
    ///
    /// Commits a transaction: it is on disk when this returns.
    public func makeSubvolume(_ name: RawPath) throws(SyscallError) {
        try checked("ioctl(BTRFS_IOC_SUBVOL_CREATE_V2, \(name))") {
            name.withCString { cgraph_btrfs_create(raw, $0) }
        }
    }

    /// Makes a subvolume in this directory that shares all blocks with `source`, which is one
    /// itself; `BTRFS_IOC_SNAP_CREATE_V2`.
    ///
    /// Writes the source's new data, commits a transaction, and costs the same for any size.
    /// Subvolumes in the source are empty directories in the snapshot.
    public func makeSnapshot(
        _ name: RawPath, of source: Directory, isReadOnly: Bool = false
    ) throws(SyscallError) {
        try checked("ioctl(BTRFS_IOC_SNAP_CREATE_V2, \(name))") {
            name.withCString { cgraph_btrfs_snapshot(raw, $0, source.raw, isReadOnly ? 1 : 0) }
        }
    }

    /// Frees a subvolume in this directory with all that is in it; `BTRFS_IOC_SNAP_DESTROY_V2`.
    ///
    /// Its name is gone at once; the kernel frees the blocks later. What is mounted in it is
    /// unmounted without a question.
    ///
    /// - Throws: `ENOTEMPTY` when other subvolumes lie in it, `EROFS` when this directory lies in
    ///   a read-only one, `EPERM` without privileges unless the filesystem is mounted with
    ///   `user_subvol_rm_allowed`.
    public func destroySubvolume(_ name: RawPath) throws(SyscallError) {
        try checked("ioctl(BTRFS_IOC_SNAP_DESTROY_V2, \(name))") {
            name.withCString { cgraph_btrfs_destroy(raw, $0) }
        }
    }

    /// Whether this subvolume refuses every change; `BTRFS_IOC_SUBVOL_GETFLAGS`.
    public func isReadOnlySubvolume() throws(SyscallError) -> Bool {
        try checked("ioctl(BTRFS_IOC_SUBVOL_GETFLAGS)") { cgraph_btrfs_is_read_only(raw) } == 1
    }

    /// Makes this subvolume read-only, or writable again; `BTRFS_IOC_SUBVOL_SETFLAGS`.
    ///
    /// Commits a transaction, which does not write files' data that is still in memory.
    public func setReadOnlySubvolume(_ isReadOnly: Bool) throws(SyscallError) {
        try checked("ioctl(BTRFS_IOC_SUBVOL_SETFLAGS)") {
            cgraph_btrfs_set_read_only(raw, isReadOnly ? 1 : 0)
        }
    }

    /// The id, never used again, of the subvolume that this directory lies in;
    /// `BTRFS_IOC_INO_LOOKUP`.
    public func subvolumeID() throws(SyscallError) -> UInt64 {
        var id: UInt64 = 0
        try checked("ioctl(BTRFS_IOC_INO_LOOKUP)") { cgraph_btrfs_subvolume_id(raw, &id) }
        return id
    }

    /// One of the subvolumes that lie in this one, however deep in its directories, though not in
    /// another subvolume; `BTRFS_IOC_GET_SUBVOL_ROOTREF`, `BTRFS_IOC_INO_LOOKUP_USER`.
    ///
    /// - Throws: `ENAMETOOLONG` where its path is longer than 3,800 bytes.
    public func firstNestedSubvolume() throws(SyscallError) -> NestedSubvolume? {
        var path = [CChar](repeating: 0, count: 4_096)
        var name = [CChar](repeating: 0, count: 256)
        let found = try checked("ioctl(BTRFS_IOC_GET_SUBVOL_ROOTREF)") {
            cgraph_btrfs_first_child(raw, &path, &name)
        }
        guard found == 1 else { return nil }
        let directory = RawPath(joining: Self.path(path).components)
        return NestedSubvolume(directory: directory, name: Self.path(name))
    }

    private static func path(_ text: [CChar]) -> RawPath {
        RawPath(trusted: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) })
    }

    /// Commits what has changed on this btrfs and wakes the threads that free dropped subvolumes;
    /// `BTRFS_IOC_SYNC`.
    public func commitSubvolumes() throws(SyscallError) {
        try checked("ioctl(BTRFS_IOC_SYNC)") { cgraph_btrfs_sync(raw) }
    }

    /// How many subvolumes of this filesystem were destroyed whose blocks are still to be freed;
    /// `BTRFS_IOC_TREE_SEARCH_V2`, which needs privileges.
    public func deadSubvolumeCount() throws(SyscallError) -> Int {
        Int(try checked("ioctl(BTRFS_IOC_TREE_SEARCH_V2)") { cgraph_btrfs_dead_roots(raw) })
    }

    /// Whether blocks of a subvolume, perhaps destroyed, are still to be freed;
    /// `BTRFS_IOC_TREE_SEARCH_V2`, which needs privileges.
    public func hasSubvolume(id: UInt64) throws(SyscallError) -> Bool {
        try checked("ioctl(BTRFS_IOC_TREE_SEARCH_V2)") { cgraph_btrfs_has_root(raw, id) } == 1
    }
}
