// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import SystemPackage

// A filesystem that was asked for to be written to may come back read-only without an error: overlayfs
// where it cannot make its work directory, a bind mount of what has become read-only, a device that
// refuses writing. `fstatfs(2)` tells, of the superblock and of the mount.

extension DetachedMount {
    /// Refuses a mount that cannot be written to, as `call` made it.
    ///
    /// - Throws: `EROFS`.
    func requireWritable(_ call: @autoclosure () -> String) throws(SyscallError) {
        if try descriptor.filesystem().isReadOnly {
            throw SyscallError(
                call: call(), errno: .readOnlyFileSystem, detail: "what was mounted is read-only")
        }
    }
}

extension MountPoint {
    /// Whether what is mounted at this place refuses writing, itself or its filesystem; `fstatfs(2)`.
    package func isReadOnly() throws(SyscallError) -> Bool {
        try OwnedDescriptor.open(path, [.path, .directory]).filesystem().isReadOnly
    }
}

extension OverlayLayers {
    /// How often a filesystem is made where the reason for its being read-only has gone when it is
    /// looked for.
    private static let triesMax = 3

    /// Makes a filesystem above an upper directory, and refuses one that overlayfs made read-only.
    ///
    /// It does that where it cannot make what it needs in the work directory, and says so to the log of
    /// the kernel alone.
    ///
    /// - Throws: What the kernel says to whoever tries the same, such as `ENOSPC`; else `EROFS`.
    func withoutFallback(
        _ create: () throws(SyscallError) -> DetachedMount
    ) throws(SyscallError) -> DetachedMount {
        var tries = 1
        while true {
            let mount = try create()
            if try !mount.descriptor.filesystem().isReadOnly { return mount }
            let reason = fallback()
            if reason.errno != .readOnlyFileSystem || tries == Self.triesMax { throw reason }
            // There was no room, and there is now.
            tries += 1
        }
    }

    /// Why overlayfs made a filesystem read-only, found out by trying what it needs: a directory in the
    /// work directory.
    func fallback() -> SyscallError {
        let told = "overlayfs could not use its work directory and would have been read-only"
        do throws(SyscallError) {
            guard let work else { throw SyscallError(call: "mkdir", errno: .invalidArgument) }
            let directory = try Directory(opening: work)
            let name = RawPath("probe-\(UInt64.random(in: 0...UInt64.max))")
            try directory.makeDirectory(name, permissions: 0o700)
            try directory.removeDirectory(name)
        } catch {
            return SyscallError(call: error.call, errno: error.errno, detail: told)
        }
        return SyscallError(call: "fsconfig(create)", errno: .readOnlyFileSystem, detail: told)
    }
}
