// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import SystemPackage

extension OverlayLayers {
    /// Merges the layers in a mount that is attached nowhere, and lends its root.
    package func withDetachedTree(
        _ body: (Directory) throws(SyscallError) -> Void
    ) throws(SyscallError) {
        let mount = try configure()
        let root = try OwnedDescriptor.open(
            mount.descriptor.procPath, [.readOnly, .directory])
        try body(Directory(owning: root))
    }

    /// Whether any overlay has a directory as its upper or work directory, told by one that cannot be made.
    ///
    /// With `index=on` overlayfs refuses a directory in use with `EBUSY`, and only then finds that the work
    /// directory lies elsewhere, with `EINVAL`. Nothing is made or written; it takes as long as a grace
    /// period of RCU, and both refusals are lines in the kernel's log.
    package static func isInUse(
        upper: FilePath, options: [MountOption]
    ) throws(SyscallError) -> Bool {
        let context = try FilesystemContext("overlay")
        for option in options { try context.set(option) }
        try context.set("lowerdir", string: "/")
        try set("upperdir", upper, in: context)
        try context.set("workdir", string: "/proc")
        try context.set("index", string: "on")
        do throws(SyscallError) {
            _ = try context.create()
        } catch  where error.errno == .resourceBusy {
            return true
        } catch  where error.errno == .invalidArgument {
            return false
        }
        throw SyscallError(call: "fsconfig(create)", errno: .notSupported)
    }

    /// Whether this kernel has an option of overlayfs, found out without making a filesystem; of kernels for
    /// which ``takesLowersOneByOne(lower:)`` is true.
    package static func takes(_ option: MountOption) -> Bool {
        do throws(SyscallError) {
            try FilesystemContext("overlay").set(option)
            return true
        } catch {
            return false
        }
    }

    /// Whether this kernel takes lower directories one by one (`lowerdir+`, Linux 6.7), found out
    /// without making a filesystem.
    ///
    /// Older kernels collect whatever they are given and refuse only at the end, so an option that
    /// does not exist is offered first: taking it gives such a kernel away.
    package static func takesLowersOneByOne(lower: FilePath) throws(SyscallError) -> Bool {
        let context = try FilesystemContext("overlay")
        if (try? context.set("graph-no-such-option", string: "")) != nil { return false }
        do throws(SyscallError) {
            try set("lowerdir+", lower, in: context)
            return true
        } catch let error where error.errno == .invalidArgument {
            return false
        }
    }
}
