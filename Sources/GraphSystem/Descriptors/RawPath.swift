// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc
public import SystemPackage

/// A path, or one name in a directory, as the kernel knows it: bytes without NUL.
///
/// File names need not be UTF-8, so they are never kept as `String`. Comparison is by bytes.
public struct RawPath: Hashable, Comparable, Sendable {
    /// The bytes and the NUL that system calls want behind them.
    private let storage: [UInt8]

    /// Takes bytes as they are, unless there is a NUL among them.
    public init?(validating bytes: some Sequence<UInt8>) {
        var storage = Array(bytes)
        if storage.contains(0) { return nil }
        storage.append(0)
        self.storage = storage
    }

    /// Takes the UTF-8 bytes of a string that has no NUL in it.
    public init(_ string: some StringProtocol) { self.init(String(string)) }

    /// Takes the UTF-8 bytes of a string that has no NUL in it.
    public init(_ string: String) {
        var storage = Array(string.utf8)
        precondition(!storage.contains(0), "a path has no NUL")
        storage.append(0)
        self.storage = storage
    }

    /// Takes the bytes of a file path, be they UTF-8 or not.
    public init(_ path: FilePath) { self.init(trusted: path.withPlatformString(Self.bytes)) }

    /// Takes the bytes of one name, be they UTF-8 or not.
    public init(_ name: FilePath.Component) {
        self.init(trusted: name.withPlatformString(Self.bytes))
    }

    private static func bytes(of string: UnsafePointer<CChar>) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: string, count: strlen(string)))
    }

    /// Takes bytes that are known to have no NUL, such as those of a directory's listing.
    init(trusted bytes: some Sequence<UInt8>) {
        var storage: [UInt8] = []
        storage.reserveCapacity(bytes.underestimatedCount + 1)
        storage.append(contentsOf: bytes)
        storage.append(0)
        self.storage = storage
    }

    private init(terminated storage: [UInt8]) { self.storage = storage }

    /// Takes a part of a path.
    package init(partOf bytes: ArraySlice<UInt8>) { self.init(trusted: bytes) }

    /// Makes a path of so many bytes, which `fill` writes, none of them NUL.
    init(byteCount: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void) {
        storage = [UInt8](unsafeUninitializedCapacity: byteCount + 1) { buffer, count in
            fill(
                UnsafeMutableRawBufferPointer(
                    UnsafeMutableBufferPointer(rebasing: buffer[..<byteCount])))
            buffer[byteCount] = 0
            count = byteCount + 1
        }
    }

    /// Joins names with slashes.
    package init(joining names: [RawPath]) {
        self.init(trusted: names.map(\.bytes).joined(separator: [UInt8(ascii: "/")]))
    }

    /// The bytes without the closing NUL.
    public var bytes: ArraySlice<UInt8> { storage.dropLast() }

    /// The same path for calls that want a file path, be it UTF-8 or not.
    public var filePath: FilePath { withCString { FilePath(platformString: $0) } }

    /// The number of bytes.
    public var count: Int { storage.count - 1 }

    /// Whether there are no bytes.
    public var isEmpty: Bool { storage.count == 1 }

    /// The name or path below this one: both, with a slash between.
    public func appending(_ other: RawPath) -> RawPath {
        if isEmpty { return other }
        var storage: [UInt8] = []
        storage.reserveCapacity(self.storage.count + other.storage.count)
        storage.append(contentsOf: self.storage)
        // The slash takes the place of the NUL.
        storage[count] = UInt8(ascii: "/")
        storage.append(contentsOf: other.storage)
        return RawPath(terminated: storage)
    }

    /// Both, one behind the other, with nothing between.
    package func joined(_ other: RawPath) -> RawPath { RawPath(trusted: bytes + other.bytes) }

    /// The names between slashes, without empty ones.
    public var components: [RawPath] {
        bytes.split(separator: UInt8(ascii: "/")).map { RawPath(trusted: $0) }
    }

    /// What is before the last slash; nil when there is none.
    public var parent: RawPath? {
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        return RawPath(trusted: bytes[..<slash])
    }

    /// What is behind the last slash; all of it when there is none.
    package var lastName: RawPath {
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return self }
        return RawPath(trusted: bytes[(slash + 1)...])
    }

    /// Whether the bytes begin with those of `prefix`.
    public func hasPrefix(_ prefix: RawPath) -> Bool { bytes.starts(with: prefix.bytes) }

    /// What is left behind the first `count` bytes.
    package func dropFirst(_ count: Int) -> RawPath { RawPath(trusted: bytes.dropFirst(count)) }

    /// Orders by bytes.
    public static func < (left: RawPath, right: RawPath) -> Bool {
        left.storage.lexicographicallyPrecedes(right.storage)
    }

    /// Lends the bytes with their NUL to a system call.
    func withCString<Value>(_ body: (UnsafePointer<CChar>) -> Value) -> Value {
        storage.withUnsafeBytes { bytes in
            guard let start = bytes.assumingMemoryBound(to: CChar.self).baseAddress else {
                preconditionFailure("a path has at least its NUL")
            }
            return body(start)
        }
    }
}

extension RawPath: ExpressibleByStringLiteral, CustomStringConvertible {
    /// Takes a literal.
    public init(stringLiteral value: String) { self.init(value) }

    /// The path as text, for people; bytes that are not UTF-8 are replaced.
    public var description: String { String(decoding: bytes, as: UTF8.self) }
}
