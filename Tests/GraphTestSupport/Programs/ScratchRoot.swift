// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
package import GraphSystem
package import SystemPackage

/// The directory below which tests work: TMPDIR, or `/var/tmp`, which lies on a disk.
package var testBase: FilePath {
    FilePath(ProcessInfo.processInfo.environment["TMPDIR"] ?? "/var/tmp")
}

/// Lends an empty directory, and removes it with everything in it whatever happens.
package func withScratchRoot<Value>(
    below base: FilePath = testBase, _ body: (FilePath) throws -> Value
) throws -> Value {
    let name = "graph-test-" + String(UInt64.random(in: .min ... .max), radix: 16)
    let parent = try Directory(opening: base)
    try parent.makeDirectory(RawPath(name), permissions: 0o700)
    let result = Result { try body(base.appending(name)) }
    // Whatever a failed test has left mounted must not be looked for by the removal.
    unmountAll(below: base.appending(name))
    try parent.removeTree(RawPath(name))
    return try result.get()
}

/// Takes away everything mounted below a path, newest first.
package func unmountAll(below path: FilePath) {
    for point in MountTable.current().reversed() where point.hasPrefix(path.string + "/") {
        try? MountPoint(FilePath(point)).unmount(detaching: true)
    }
}

/// Attaches mounts at a new directory, lends its path, and takes them away again.
package func withMount<Value>(
    _ mounts: [Mount], below base: FilePath = testBase, _ body: (FilePath) throws -> Value
) throws -> Value {
    let name = "graph-mount-" + String(UInt64.random(in: .min ... .max), radix: 16)
    let parent = try Directory(opening: base)
    try parent.makeDirectory(RawPath(name), permissions: 0o700)
    let path = base.appending(name)
    defer { try? parent.removeDirectory(RawPath(name)) }
    var attached = 0
    defer {
        for _ in 0..<attached { try? MountPoint(path).unmount(detaching: true) }
    }
    for mount in mounts {
        try mount.attach(at: path)
        attached += 1
    }
    return try body(path)
}

/// What is mounted in this process's namespace.
package enum MountTable {
    /// The places, in the order of `/proc/self/mountinfo`.
    package static func current() -> [String] {
        do {
            return try MountPoint.all().map(\.description)
        } catch {
            // Nothing mounted is what tests want to see.
            fatalError("the mounts cannot be read: \(error)")
        }
    }
}
