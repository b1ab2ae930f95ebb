// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import Synchronization
import SystemPackage

/// Destroys subvolumes with those in them, and remembers which ones the kernel is still freeing.
final class SubvolumeRemoval: Sendable {
    private let pending = Mutex<[UInt64]>([])

    /// Destroys the subvolumes directly in a directory.
    ///
    /// - Throws: `EBUSY` when something is mounted below: destroying would take it away from its
    ///   users. `EAGAIN` while the kernel sends one of them.
    func empty(_ directory: Directory) throws(SyscallError) {
        var isChecked = false
        for entry in try directory.listing() where entry.type ?? .directory == .directory {
            guard let status = try directory.statusIfPresent(of: entry.name),
                status.type == .directory, status.inode == Self.rootInode
            else { continue }
            if !isChecked, try MountPoint.isAnything(mountedBelow: directory) {
                throw SyscallError(call: "rmdir(\(entry.name))", errno: .resourceBusy)
            }
            isChecked = true
            try destroy(entry.name, in: directory)
        }
    }

    /// BTRFS_FIRST_FREE_OBJECTID: the inode number of every subvolume's root.
    private static let rootInode: UInt64 = 256

    /// Destroys a subvolume, the innermost of those in it first.
    ///
    /// Goes down from the top each time: a container may have nested them deeper than there are
    /// descriptors.
    func destroy(_ name: RawPath, in parent: Directory) throws(SyscallError) {
        var races = 0
        while true {
            do throws(SyscallError) {
                var holder = parent
                var leaf = name
                var subvolume = try Subvolume(name, in: parent)
                var depth = 0
                while let nested = try subvolume.firstNested() {
                    // Or nothing could be removed from it.
                    try makeWritable(subvolume)
                    holder =
                        nested.directory.isEmpty
                        ? subvolume.directory
                        : Directory(
                            owning: try subvolume.directory.openBeneath(
                                nested.directory, [.readOnly, .directory]))
                    leaf = nested.name
                    subvolume = try Subvolume(leaf, in: holder)
                    depth += 1
                }
                try destroyInnermost(leaf, subvolume, in: holder)
                if depth == 0 { return }
            } catch let error where error.errno == .noSuchFileOrDirectory {
                // Another process destroys the same.
                races += 1
                if try parent.statusIfPresent(of: name) == nil { return }
                if races > 1_000 { throw error }
            }
        }
    }

    /// Destroys a subvolume without others in it.
    private func destroyInnermost(
        _ name: RawPath, _ subvolume: Subvolume, in holder: Directory
    ) throws(SyscallError) {
        let id = try subvolume.id()
        do throws(SyscallError) {
            try Subvolume.destroy(name, in: holder)
        } catch let error where Self.mayBeHelped.contains(error.errno) {
            // Flags and modes refuse even an owner; the second call tells whether they did.
            let isHeld = (try? makeWritable(subvolume)) == nil
            try? InodeFlags.clearLocks(of: holder.descriptor)
            try? InodeFlags.clearLocks(of: subvolume.directory.descriptor)
            do throws(SyscallError) {
                try Subvolume.destroy(name, in: holder)
            } catch let error where Self.mayBeHelped.contains(error.errno) {
                // While it is sent nothing can be done with it, not even by root.
                if isHeld && error.errno == .notPermitted {
                    throw SyscallError(call: error.call, errno: .resourceTemporarilyUnavailable)
                }
                try removeAsDirectory(name, subvolume, in: holder)
            }
        }
        // Newer kernels do it themselves, and where quotas are off there is nothing to do.
        try? BtrfsFilesystem(of: holder).removeQuotaGroup(id: id)
        pending.withLock { $0.append(id) }
    }

    private static let mayBeHelped: [Errno] = [
        .notPermitted, .permissionDenied, .readOnlyFileSystem,
    ]

    /// Removes a subvolume the way that is open to its owner without privileges, where the
    /// filesystem is mounted without `user_subvol_rm_allowed`: an empty one goes like a directory.
    private func removeAsDirectory(
        _ name: RawPath, _ subvolume: Subvolume, in holder: Directory
    ) throws(SyscallError) {
        let directory = subvolume.directory
        for entry in try directory.listing() { try directory.removeTree(entry.name) }
        try holder.removeDirectory(name)
    }

    private func makeWritable(_ subvolume: Subvolume) throws(SyscallError) {
        if try subvolume.isReadOnly() { try subvolume.setReadOnly(false) }
    }

    /// Waits until the kernel has freed what was destroyed, where that is needed for room: it does
    /// so in the background, at its own pace.
    ///
    /// `isStopped` is asked every few milliseconds.
    func awaitRoom(in directory: Directory, isStopped: () -> Bool) throws(SyscallError) {
        var ids = pending.withLock { all in
            defer { all = [] }
            return all
        }
        let disk = try directory.descriptor.filesystem()
        if ids.isEmpty || disk.availableBytes > max(disk.totalBytes / 20, 64 << 20) { return }
        let filesystem = BtrfsFilesystem(of: directory)
        try filesystem.commit()
        for _ in 0..<Self.roundsMax {
            do throws(SyscallError) {
                while let last = ids.last, try !filesystem.hasSubvolume(id: last) {
                    ids.removeLast()
                }
            } catch {
                // Without privileges nobody tells.
                return
            }
            if ids.isEmpty || isStopped() { break }
            Pause.milliseconds(10)
        }
        // Freed blocks can be used once the transaction that freed them is committed.
        try filesystem.commit()
    }

    /// Half a minute: the kernel may be stopped by a scrub or a balance.
    private static let roundsMax = 3_000
}
