// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import Synchronization
import SystemPackage

/// A name and a value attached to an inode; xattr(7).
package struct ExtendedAttribute: Hashable, Comparable, Sendable {
    /// The full name, such as `security.capability`.
    package let name: String
    package let value: [UInt8]

    /// Makes an attribute.
    package init(name: String, value: [UInt8]) { (self.name, self.value) = (name, value) }

    /// Orders by the bytes of the name.
    package static func < (left: ExtendedAttribute, right: ExtendedAttribute) -> Bool {
        left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
    }
}

/// The extended attributes of a name in a directory, or of the directory itself under the name `.`;
/// a symbolic link is not followed.
///
/// Names have calls of their own since Linux 6.13; before, they go by `/proc/self/fd/N/NAME` and the
/// `l…xattr` calls, which do not follow a link at the end either.
package struct EntryAttributes {
    private let directory: Directory
    private let name: RawPath

    fileprivate init(_ name: RawPath, in directory: Directory) {
        (self.directory, self.name) = (directory, name)
    }

    /// All of them, sorted.
    package func all() throws(SyscallError) -> [ExtendedAttribute] {
        var found: [ExtendedAttribute] = []
        for key in try names() {
            // An attribute that went away between the two calls is no attribute.
            if let value = try value(of: key) {
                found.append(ExtendedAttribute(name: key, value: value))
            }
        }
        return found.sorted()
    }

    /// The names of all; `listxattrat(2)` or `llistxattr(2)`.
    package func names() throws(SyscallError) -> [String] {
        let found = try AttributeCalls.atNames { () throws(SyscallError) in
            try growing("listxattrat(\(name))") { buffer in
                name.withCString {
                    cgraph_listxattrat(directory.raw, $0, buffer.baseAddress, UInt(buffer.count))
                }
            }
        }
        if let found { return try attributeNameList(found, from: "listxattrat(\(name))") }
        let path = procPath
        let names = try growing("llistxattr(\(name))") { buffer in
            path.withCString { llistxattr($0, buffer.baseAddress, buffer.count) }
        }
        return try attributeNameList(names, from: "llistxattr(\(name))")
    }

    /// The value of one, or nil when there is none so named; `getxattrat(2)` or `lgetxattr(2)`.
    package func value(of key: String) throws(SyscallError) -> [UInt8]? {
        let isAbsence = { (errno: Errno) in errno == .noData || errno == .notSupported }
        let found = try AttributeCalls.atNames { () throws(SyscallError) in
            try growing("getxattrat(\(name), \(key))", unless: isAbsence) { buffer in
                name.withCString {
                    cgraph_getxattrat(
                        directory.raw, $0, key, buffer.baseAddress, UInt(buffer.count))
                }
            }
        }
        if let found { return found }
        let path = procPath
        return try growing("lgetxattr(\(name), \(key))", unless: isAbsence) { buffer in
            path.withCString { lgetxattr($0, key, buffer.baseAddress, buffer.count) }
        }
    }

    /// Sets one; `lsetxattr(2)`.
    ///
    /// - Throws: `E2BIG` where the filesystem takes no attribute of that size, or no more of them.
    package func set(_ attribute: ExtendedAttribute) throws(SyscallError) {
        let path = procPath
        do throws(SyscallError) {
            try checked("lsetxattr(\(name), \(attribute.name))") {
                path.withCString {
                    lsetxattr($0, attribute.name, attribute.value, attribute.value.count, 0)
                }
            }
        } catch {
            throw attributeError(error, attribute, on: directory.descriptor)
        }
    }

    /// Removes one; `lremovexattr(2)`.
    package func remove(_ key: String) throws(SyscallError) {
        let path = procPath
        try checked("lremovexattr(\(name), \(key))") {
            path.withCString { lremovexattr($0, key) }
        }
    }

    /// Takes away the access lists that the name inherited from the directory it was made in, so that it
    /// has the permissions it is given.
    ///
    /// A symbolic link has none.
    package func removeInheritedAccessLists() throws(SyscallError) {
        for key in ["system.posix_acl_default", "system.posix_acl_access"] {
            do throws(SyscallError) {
                try remove(key)
            } catch let error where [.noData, .notSupported].contains(error.errno) {
                // It has none, or the filesystem has none.
            }
        }
    }

    private var procPath: RawPath { RawPath("/proc/self/fd/\(directory.raw)").appending(name) }
}

extension Directory {
    /// The extended attributes of a name in this directory; of this directory itself for `.`.
    package func attributes(of name: RawPath) -> EntryAttributes {
        EntryAttributes(name, in: self)
    }
}

extension OwnedDescriptor {
    /// All attributes of the open file, sorted; `flistxattr(2)`, `fgetxattr(2)`.
    package func attributes() throws(SyscallError) -> [ExtendedAttribute] {
        let raw = rawValue
        let isUnsupported = { (errno: Errno) in errno == .notSupported }
        let names = try growing("flistxattr", unless: isUnsupported) {
            flistxattr(raw, $0.baseAddress, $0.count)
        }
        var found: [ExtendedAttribute] = []
        for key in try attributeNameList(names, from: "flistxattr") {
            let isGone = { (errno: Errno) in errno == .noData }
            let value = try growing("fgetxattr(\(key))", unless: isGone) {
                fgetxattr(raw, key, $0.baseAddress, $0.count)
            }
            if let value { found.append(ExtendedAttribute(name: key, value: value)) }
        }
        return found.sorted()
    }

    /// Sets an attribute of the open file; `fsetxattr(2)`.
    ///
    /// - Throws: `E2BIG` where the filesystem takes no attribute of that size, or no more of them.
    package func setAttribute(_ attribute: ExtendedAttribute) throws(SyscallError) {
        do throws(SyscallError) {
            try checked("fsetxattr(\(attribute.name))") {
                fsetxattr(rawValue, attribute.name, attribute.value, attribute.value.count, 0)
            }
        } catch {
            throw attributeError(error, attribute, on: self)
        }
    }
}

/// Tells an attribute that is too large from a full disk: ext4 and btrfs say `ENOSPC` for both.
private func attributeError(
    _ error: SyscallError, _ attribute: ExtendedAttribute, on file: borrowing OwnedDescriptor
) -> SyscallError {
    guard [.noSpace, .outOfRange, .argListTooLong].contains(error.errno) else { return error }
    if error.errno == .noSpace {
        // More than the largest attribute takes that any filesystem has room for.
        let roomBytes: UInt64 = 4 << 20
        guard let disk = try? file.filesystem(), disk.availableBytes >= roomBytes,
            disk.totalInodes == 0 || disk.freeInodes > 0
        else { return error }
    }
    return SyscallError(
        call: error.call, errno: .argListTooLong,
        detail:
            "the filesystem takes less than its \(attribute.value.count) bytes, or less than all"
            + " attributes of the file take together")
}

/// Splits a list of names, each with a NUL behind it, and leaves out names that stand for others.
private func attributeNameList(
    _ list: [UInt8]?, from call: @autoclosure () -> String
) throws(SyscallError) -> [String] {
    guard let list, !list.isEmpty else { return [] }
    var found: [String] = []
    for part in list.split(separator: 0) {
        guard let key = String(validating: part, as: UTF8.self) else {
            // Kept nowhere, it would be lost; no tar can spell it either.
            throw SyscallError(
                call: call(), errno: .illegalByteSequence,
                detail: "an attribute's name is not UTF-8")
        }
        if AttributeTable.owner(of: key) != .alias { found.append(key) }
    }
    return found
}

/// The attribute calls that take a directory and a name (Linux 6.13).
private enum AttributeCalls {
    private static let areMissing = Atomic(false)

    /// Makes such a call; nil where the kernel, or a filter of system calls that knows no newer ones,
    /// does not have it.
    static func atNames<Value>(
        _ call: () throws(SyscallError) -> Value
    ) throws(SyscallError) -> Value? {
        if areMissing.load(ordering: .relaxed) { return nil }
        do throws(SyscallError) {
            return try call()
        } catch let error where error.errno == .noFunction || error.errno == .notPermitted {
            if error.errno == .noFunction { areMissing.store(true, ordering: .relaxed) }
            return nil
        }
    }
}

/// Calls with a small buffer first, and with as much as the kernel asks for when that is too small.
///
/// nil for an error that only says that there is nothing, which costs no more than an answer.
private func growing(
    _ call: @autoclosure () -> String, unless isAbsence: (Errno) -> Bool = { _ in false },
    _ body: (UnsafeMutableBufferPointer<CChar>) -> Int
) throws(SyscallError) -> [UInt8]? {
    var size = 256
    while true {
        let (bytes, errno) = withUnsafeTemporaryAllocation(of: CChar.self, capacity: size) {
            let count = body($0)
            return count == -1
                ? ([], Errno(rawValue: Glibc.errno))
                : (Array(UnsafeRawBufferPointer($0)[..<count]), nil)
        }
        guard let errno else { return bytes }
        if errno == .interrupted { continue }
        if isAbsence(errno) { return nil }
        guard errno == .outOfRange && size < 1 << 20 else {
            throw SyscallError(call: call(), errno: errno)
        }
        size *= 16
    }
}
