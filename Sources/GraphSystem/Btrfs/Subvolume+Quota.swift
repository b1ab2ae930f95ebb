// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// How a btrfs filesystem counts what subvolumes take.
package struct SubvolumeQuotaState: Hashable, Sendable {
    /// Whether it counts at all: an administrator switches that for the whole filesystem.
    package let isOn: Bool
    /// Whether blocks belong to the subvolume that wrote them, for good (Linux 6.7).
    package let isSimple: Bool
    /// Whether the counts can be believed: not while they are being made, nor when the kernel has
    /// marked them as inconsistent.
    package let isExact: Bool

    init(flags: UInt64) {
        isOn = flags & CGRAPH_BTRFS_QUOTA_ON != 0
        isSimple = flags & CGRAPH_BTRFS_QUOTA_SIMPLE != 0
        isExact =
            isOn && flags & (CGRAPH_BTRFS_QUOTA_RESCAN | CGRAPH_BTRFS_QUOTA_INCONSISTENT) == 0
    }
}

/// What the quota group of a subvolume counts, as of the last transaction that was committed.
package struct SubvolumeQuotaUsage: Hashable, Sendable {
    /// Bytes of all that can be reached from the subvolume.
    package let referencedBytes: UInt64
    /// Bytes that no other subvolume shares: what destroying this one frees.
    package let exclusiveBytes: UInt64
}

extension Subvolume {
    /// What the subvolume's quota group counts, or nil when there is none;
    /// `BTRFS_IOC_TREE_SEARCH_V2`.
    package func quotaUsage() throws(SyscallError) -> SubvolumeQuotaUsage? {
        let id = try id()
        var (referenced, exclusive): (UInt64, UInt64) = (0, 0)
        let found = try checked("ioctl(BTRFS_IOC_TREE_SEARCH_V2)") {
            cgraph_btrfs_quota_usage(raw, id, &referenced, &exclusive)
        }
        if found == 0 { return nil }
        return SubvolumeQuotaUsage(referencedBytes: referenced, exclusiveBytes: exclusive)
    }

    /// Limits the bytes that the subvolume shares with no other one; `BTRFS_IOC_QGROUP_LIMIT`.
    ///
    /// A snapshot starts with its source's limit. nil takes the limit away.
    ///
    /// - Throws: `ENOTCONN` where quotas are off, `EPERM` without privileges.
    package func setLimit(exclusiveBytes: UInt64?) throws(SyscallError) {
        // The largest number means no limit; one less is as good as none.
        let limit = exclusiveBytes.map { min($0, UInt64.max - 1) } ?? UInt64.max
        try checked("ioctl(BTRFS_IOC_QGROUP_LIMIT)") { cgraph_btrfs_limit(raw, limit) }
    }
}
