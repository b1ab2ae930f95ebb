// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import SystemPackage

extension KernelMount {
    /// Makes the mount read-only, or its whole filesystem with all other mounts of that; `mount_setattr(2)`,
    /// `fspick(2)`.
    ///
    /// From then on nothing is written by way of it. It must be of the caller's own mount namespace.
    ///
    /// - Returns: False for a mount that cannot be reached: of another namespace, or with another one over it.
    /// - Throws: `EBUSY` while a file is open for writing.
    package func freeze(wholeFilesystem: Bool) throws(SyscallError) -> Bool {
        if try MountPoint.currentNamespace() != namespace { return false }
        let file: OwnedDescriptor
        do throws(SyscallError) {
            file = OwnedDescriptor(
                owning: try checked("open_tree(\(target))") {
                    target.withCString { cgraph_open_mount($0) }
                })
        } catch  where error.errno == .noSuchFileOrDirectory {
            return false
        }
        let raw = file.rawValue
        // A survey that is not whole has the ids that come back.
        let ids = [
            try HeldFile("", raw, isUnique: true).mountID,
            try HeldFile("", raw, isUnique: false).mountID,
        ]
        if !ids.contains(id) { return false }
        if wholeFilesystem {
            try checked("fsconfig(reconfigure, \(target))") {
                cgraph_make_filesystem_read_only(raw)
            }
        } else {
            try checked("mount_setattr(\(target))") {
                cgraph_mount_setattr(raw, UInt64(MountAttributes.readOnly.rawValue), 0)
            }
        }
        return true
    }
}
