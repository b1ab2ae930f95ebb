// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// A btrfs, for what concerns all of its subvolumes.
package struct BtrfsFilesystem: Sendable {
    /// Any directory on it.
    private let directory: Directory

    /// Takes the filesystem that a directory lies on.
    package init(of directory: Directory) { self.directory = directory }

    private var raw: CInt { directory.raw }

    /// Commits what has changed and wakes the threads that free dropped subvolumes;
    /// `btrfs_util_sync_fd`.
    package func commit() throws(SyscallError) {
        try BtrfsUtility.call("btrfs_util_sync_fd") { $0.sync_fd(raw) }
    }

    /// How many subvolumes were destroyed whose blocks are still to be freed;
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

    /// Whether and how the filesystem counts; `BTRFS_IOC_TREE_SEARCH_V2`, which needs privileges.
    package func quotaState() throws(SyscallError) -> SubvolumeQuotaState {
        var flags: UInt64 = 0
        try checked("ioctl(BTRFS_IOC_TREE_SEARCH_V2)") { cgraph_btrfs_quota_flags(raw, &flags) }
        return SubvolumeQuotaState(flags: flags)
    }

    /// Forgets the quota group of a destroyed subvolume; `BTRFS_IOC_QGROUP_CREATE`.
    ///
    /// - Throws: `EBUSY` from kernels that do so themselves once the blocks are freed, `ENOTCONN`
    ///   where quotas are off, `ENOENT` when there is no such group.
    package func removeQuotaGroup(id: UInt64) throws(SyscallError) {
        try checked("ioctl(BTRFS_IOC_QGROUP_CREATE)") { cgraph_btrfs_remove_quota_group(raw, id) }
    }
}
