// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
public import GraphSystem
public import SystemPackage

/// The folder below which tests work: TMPDIR, or `/var/tmp`, which lies on a disk.
public var testBase: FilePath {
    FilePath(ProcessInfo.processInfo.environment["TMPDIR"] ?? "/var/tmp")
}

/// Lends an empty directory, and removes it with everything in it whatever happens.
public func withScratchRoot<Value>(
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
public func unmountAll(below path: FilePath) {
    for point in MountTable.current().reversed() where point.hasPrefix(path.string + "/") {
        try? MountPoint(FilePath(point)).unmount(detaching: true)
    }
}

/// Attaches mounts at a new directory, lends its path, and takes them away again.
public func withMount<Value>(
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
public enum MountTable {
    /// The places, in the order of `/proc/self/mountinfo`.
    public static func current() -> [String] {
        let text = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 4 else { return nil }
            return unescaped(String(fields[4]))
        }
    }

    /// Spaces, tabs, line ends and backslashes are written as three digits of base 8.
    private static func unescaped(_ field: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(field.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(3), as: UTF8.self)
            if byte == UInt8(ascii: "\\"), let value = UInt8(digits, radix: 8) {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
