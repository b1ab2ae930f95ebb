// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// What the kernel keeps about a subvolume.
package struct SubvolumeStatus: Hashable, Sendable {
    /// Never used again.
    package let id: UInt64
    package let isReadOnly: Bool
    /// Told apart from every other subvolume's.
    package let uuid: [UInt8]
    /// Of the subvolume that this one is a snapshot of; zeros when it is none.
    package let parentUUID: [UInt8]
    /// The last transaction in which something in it was changed.
    package let changedTransaction: UInt64
    /// The transaction in which it was made.
    package let madeTransaction: UInt64
    /// When it was made, by the filesystem's clock.
    package let made: Timestamp

    init(_ raw: cgraph_btrfs_subvolume) {
        (id, isReadOnly) = (raw.id, raw.is_read_only != 0)
        uuid = withUnsafeBytes(of: raw.uuid) { Array($0) }
        parentUUID = withUnsafeBytes(of: raw.parent_uuid) { Array($0) }
        (changedTransaction, madeTransaction) = (raw.changed, raw.made)
        made = Timestamp(
            seconds: Int64(bitPattern: raw.made_seconds), nanoseconds: raw.made_nanoseconds)
    }

    /// Whether this is a snapshot of `other`, which has not been changed since it was made.
    package func isSnapshot(ofUnchanged other: SubvolumeStatus) -> Bool {
        // What a transaction snapshots is the end of it: changes made later belong to the next.
        parentUUID == other.uuid && other.changedTransaction <= madeTransaction
    }
}

extension Subvolume {
    /// What is kept about the subvolume; `BTRFS_IOC_GET_SUBVOL_INFO`.
    package func status() throws(SyscallError) -> SubvolumeStatus {
        var raw = cgraph_btrfs_subvolume()
        try checked("ioctl(BTRFS_IOC_GET_SUBVOL_INFO)") {
            cgraph_btrfs_subvolume_info(self.raw, &raw)
        }
        return SubvolumeStatus(raw)
    }

    /// Whether other subvolumes lie in this one; `BTRFS_IOC_GET_SUBVOL_ROOTREF`.
    ///
    /// Snapshots do not count the ones that lay in their source, which are empty directories now.
    package func hasNested() throws(SyscallError) -> Bool {
        try checked("ioctl(BTRFS_IOC_GET_SUBVOL_ROOTREF)") { cgraph_btrfs_child(raw, nil, nil) }
            == 1
    }
}
