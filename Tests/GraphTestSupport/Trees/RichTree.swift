// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
package import GraphSystem
import SystemPackage

/// A small tree with one of everything that a layer may hold.
package enum RichTree {
    /// cap_net_raw permitted and effective, as `setcap` of revision 2 writes it.
    package static let capability: [UInt8] =
        [1, 0, 0, 2, 0, 32] + [UInt8](repeating: 0, count: 14)

    /// user::rwx, user:1000:r-x, group::r-x, mask::r-x, other::r-x (acl(5), revision 2).
    package static let accessList: [UInt8] =
        [2, 0, 0, 0]
        + tag(1, 7) + tag(2, 5, id: 1_000) + tag(4, 5) + tag(16, 5) + tag(32, 5)

    private static func tag(_ kind: UInt8, _ permissions: UInt8, id: UInt32 = .max) -> [UInt8] {
        [kind, 0, permissions, 0] + (0..<4).map { UInt8(truncatingIfNeeded: id >> ($0 * 8)) }
    }

    /// Fills a directory.
    ///
    /// Devices, trusted attributes and capabilities are left out in a user namespace, where nobody
    /// may make them.
    package static func fill(_ root: Directory) throws {
        try addFiles(to: root)
        try addOthers(to: root)
        try addDirectories(to: root)
        try root.descriptor.setOwner(uid: 11, gid: 12)
        try root.descriptor.setPermissions(0o1755)
        try set(root, "user.root", [1, 2, 3], of: ".")
        try root.setTimes(of: ".", Timestamp(seconds: 1_000_000_009, nanoseconds: 999_999_999))
    }

    private static func set(
        _ root: Directory, _ key: String, _ value: [UInt8], of name: RawPath
    ) throws {
        try root.attributes(of: name).set(ExtendedAttribute(name: key, value: value))
    }

    private static func makeFile(
        _ name: RawPath, in root: Directory, _ content: [UInt8], permissions: UInt16
    ) throws {
        let file = try root.open(name, [.create, .exclusive, .writeOnly], permissions: 0o600)
        try file.write(content.span)
        try file.setPermissions(permissions)
    }

    private static func addFiles(to root: Directory) throws {
        try makeFile("plain", in: root, Array("plain\n".utf8), permissions: 0o644)
        try makeFile("empty", in: root, [], permissions: 0)
        try makeFile("set-id", in: root, [1], permissions: 0o600)
        try root.setOwner(of: "set-id", uid: 1_234, gid: 4_321)
        try root.setPermissions(of: "set-id", 0o6755)
        try makeFile("listed", in: root, [2], permissions: 0o755)
        try set(root, "system.posix_acl_access", accessList, of: "listed")
        try set(root, "user.note", Array("a note".utf8), of: "listed")
        try set(root, "user.empty", [], of: "listed")
        try makeFile("linked", in: root, Array("one file, three names".utf8), permissions: 0o640)
        try root.makeHardLink("linked too", to: "linked", in: root)
        let sparse = try root.open("sparse", [.create, .writeOnly], permissions: 0o600)
        try sparse.truncate(to: 9 << 20)
        try sparse.write([3].span, at: 4 << 20)
        try root.setTimes(of: "sparse", Timestamp(seconds: 1_234_567_890, nanoseconds: 1))
        try makeFile(
            "large", in: root, [UInt8](repeating: 0xA5, count: 700_001), permissions: 0o600)
        for name in ["plain", "empty", "listed", "linked", "large"] {
            try root.setTimes(
                of: RawPath(name), Timestamp(seconds: 1_600_000_000, nanoseconds: 123_456_789))
        }
        if Machine.isRoot {
            try makeFile("capable", in: root, [4], permissions: 0o755)
            try root.setOwner(of: "capable", uid: 5, gid: 6)
            try set(root, "security.capability", capability, of: "capable")
            try set(root, "trusted.note", [0, 255, 0], of: "plain")
        }
    }

    private static func addOthers(to root: Directory) throws {
        try root.makeSymbolicLink("link", to: "/no/such/place")
        try root.setOwner(of: "link", uid: 7, gid: 8)
        try root.setTimes(of: "link", Timestamp(seconds: -5, nanoseconds: 5))
        try root.makeSpecial("fifo", .fifo, permissions: 0o610)
        try root.setPermissions(of: "fifo", 0o610)
        try root.makeSpecial("socket", .socket, permissions: 0o700)
        if let odd = RawPath(validating: [0xFF, 0x20, 0x0A, 0x5C, 0x3A, 0x2C]) {
            try makeFile(odd, in: root, [5], permissions: 0o644)
        }
        let long = RawPath(String(repeating: "n", count: 255))
        try makeFile(long, in: root, [6], permissions: 0o644)
        if Machine.isRoot {
            try root.makeSpecial(
                "null", .characterDevice, permissions: 0o666,
                device: DeviceNumber(major: 1, minor: 3))
            try root.makeSpecial(
                "disk", .blockDevice, permissions: 0o660,
                device: DeviceNumber(major: 259, minor: 70_000))
            try set(root, "trusted.note", [1], of: "link")
        }
    }

    private static func addDirectories(to root: Directory) throws {
        try root.makeDirectory("inherits", permissions: 0o755)
        let inherits = try root.openDirectory("inherits")
        try makeFile("child", in: inherits, [7], permissions: 0o644)
        try inherits.makeDirectory("below", permissions: 0o755)
        try inherits.makeHardLink("linked", to: "linked", in: root)
        // Set last: what is made in the directory from then on would take the list over.
        try set(inherits, "system.posix_acl_default", accessList, of: ".")
        try inherits.descriptor.setOwner(uid: 0, gid: 77)
        try inherits.descriptor.setPermissions(0o2775)
        try inherits.setTimes(of: ".", Timestamp(seconds: 1_500_000_000, nanoseconds: 42))
        try root.makeDirectory("closed", permissions: 0o755)
        let closed = try root.openDirectory("closed")
        try makeFile("inside", in: closed, [8], permissions: 0o400)
        try closed.descriptor.setPermissions(0)
        try closed.setTimes(of: ".", Timestamp(seconds: 1_400_000_000))
    }
}

extension ApplyTarget {
    /// Records that a layer deletes a name, `directory` being a part of this target's.
    package func addWhiteout(_ name: String, in directory: Directory? = nil) throws {
        try markDeleted(RawPath(name), in: directory)
    }

    /// Records that a directory hides what lies below it.
    package func makeOpaque(_ name: String) throws {
        try markOpaque(RawPath(name))
    }

    /// Writes a file.
    package func write(_ name: String, _ text: String) throws {
        let file = try directory.open(
            RawPath(name), [.create, .writeOnly, .truncate], permissions: 0o644)
        try file.write(text)
    }

    /// Makes a directory.
    package func makeDirectory(_ name: String) throws {
        try directory.makeDirectory(RawPath(name), permissions: 0o755)
    }
}
