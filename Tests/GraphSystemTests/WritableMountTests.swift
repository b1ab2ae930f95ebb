// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// A mount that does not say to be read-only can be written to, or is not made.
@Suite(.enabled(if: geteuid() == 0, "mounting needs root"), .serialized) struct WritableMountTests {
    /// Expects that a mount is refused with an error number, and leaves nothing.
    private func refuse(_ mount: Mount, _ errno: Errno, at target: FilePath) throws {
        do throws(SyscallError) {
            try mount.attach(at: target)
            Issue.record("it was mounted")
        } catch {
            #expect(error.errno == errno, "\(error)")
        }
        #expect(try MountPoint(target).mountID() == nil)
    }

    // Who is root of a user namespace may not remount it so.
    @Test(.enabled(if: Machine.isRoot, "needs root of the machine"))
    func `a bind mount of what has become read-only is refused`() throws {
        try withScratchRoot { scratch in
            try Directory(opening: scratch).makeDirectory("target", permissions: 0o755)
            let target = scratch.appending("target")
            try withLoopFilesystem(type: .tmpfs) { place in
                let mount = Mount(.bind(place))
                try mount.attach(at: target)
                #expect(try !MountPoint(target).isReadOnly())
                try MountPoint(target).unmount()
                try runCommand("mount", ["-o", "remount,ro", place.string])
                try refuse(mount, .readOnlyFileSystem, at: target)
                try Mount(.bind(place), attributes: .readOnly).attach(at: target)
                try MountPoint(target).unmount()
            }
        }
    }

    @Test func `a filesystem that was made read-only is refused`() throws {
        try withScratchRoot { scratch in
            try Directory(opening: scratch).makeDirectory("target", permissions: 0o755)
            let target = scratch.appending("target")
            let readOnly = Mount(.device("tmpfs", type: "tmpfs", options: [MountOption("ro")]))
            try refuse(readOnly, .readOnlyFileSystem, at: target)
        }
    }

    @Test func `an overlay without room for its work directory is refused with the reason`() throws
    {
        try withLoopFilesystem(type: .tmpfs, options: ["nr_inodes=16"]) { place in
            let directory = try Directory(opening: place)
            for name in ["lower", "upper", "work", "target"] {
                try directory.makeDirectory(RawPath(name), permissions: 0o755)
            }
            let mount = Mount(
                .overlay(
                    OverlayLayers(
                        lowers: [place.appending("lower")], upper: place.appending("upper"),
                        work: place.appending("work"),
                        options: geteuid() == 0 && isInUserNamespace
                            ? [MountOption("userxattr")] : [])))
            var count = 0
            while (try? directory.makeDirectory(RawPath("\(count)"), permissions: 0o755)) != nil {
                count += 1
            }
            try refuse(mount, .noSpace, at: place.appending("target"))
            for index in 0..<count { try directory.removeDirectory(RawPath("\(index)")) }
            try mount.attach(at: place.appending("target"))
            try Directory(opening: place.appending("target"))
                .makeDirectory("written", permissions: 0o755)
            try MountPoint(place.appending("target")).unmount()
        }
    }

    private var isInUserNamespace: Bool { getenv("GRAPH_IN_USERNS") != nil }
}
