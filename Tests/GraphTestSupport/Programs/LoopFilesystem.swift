// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
package import SystemPackage

/// A filesystem that tests make for themselves.
package enum TestFilesystem: String, CaseIterable, Sendable, CustomStringConvertible {
    case ext4, xfs, btrfs, tmpfs

    /// The name as mount(8) spells it.
    package var description: String { rawValue }

    /// The least size in bytes that its mkfs takes, with something to spare.
    package var sizeMin: UInt64 {
        switch self {
        case .ext4, .tmpfs: 16 << 20
        case .xfs: 320 << 20
        case .btrfs: 160 << 20
        }
    }
}

/// The failure of a command that a test ran.
package struct CommandFailure: Error, CustomStringConvertible {
    package let description: String
}

/// Runs a command and returns what it printed.
///
/// - Throws: ``CommandFailure`` with both outputs when it ends with another status than 0.
@discardableResult
package func runCommand(_ command: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [command] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
        let line = ([command] + arguments).joined(separator: " ")
        throw CommandFailure(
            description: "\(line): status \(process.terminationStatus): \(text)")
    }
    return text
}

/// Makes a filesystem, mounts it, lends its root, and takes everything away again.
///
/// It lies on a loop device over a sparse file, except tmpfs. `size` is in bytes, nil for the least;
/// `options` are for mount(8), such as `nr_inodes=100` of tmpfs, and `makeOptions` for mkfs.
package func withLoopFilesystem<Value>(
    type: TestFilesystem, size: UInt64? = nil, options: [String] = [],
    makeOptions: [String] = [], below base: FilePath = testBase, _ body: (FilePath) throws -> Value
) throws -> Value {
    try withScratchRoot(below: base) { scratch in
        let target = scratch.appending("mounted")
        let bytes = size ?? type.sizeMin
        try Directory(opening: scratch).makeDirectory("mounted", permissions: 0o755)
        var arguments = ["-t", type.rawValue]
        if type == .tmpfs {
            let all = ["size=\(bytes)"] + options
            arguments += ["-o", all.joined(separator: ","), "tmpfs", target.string]
        } else {
            let image = scratch.appending("image")
            let file = try OwnedDescriptor.open(image, [.create, .writeOnly], permissions: 0o600)
            try file.truncate(to: bytes)
            try runCommand("mkfs." + type.rawValue, ["-q"] + makeOptions + [image.string])
            let all = ["loop"] + options
            arguments += ["-o", all.joined(separator: ","), image.string, target.string]
        }
        try runCommand("mount", arguments)
        defer { unmount(target) }
        return try body(target)
    }
}

/// Unmounts, and waits a little for those who are about to let go.
private func unmount(_ target: FilePath) {
    unmountAll(below: target)
    for _ in 0..<50 {
        if (try? MountPoint(target).unmount()) != nil { return }
        Thread.sleep(forTimeInterval: 0.02)
    }
    try? MountPoint(target).unmount(detaching: true)
}
