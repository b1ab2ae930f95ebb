// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// What finds an inode again on its filesystem for as long as it exists, also without a name;
/// `name_to_handle_at(2)`.
///
/// An inode whose last name is gone exists while something in the kernel holds it, be it a mount that no
/// mount namespace has any more: so this tells whether anything does.
package struct InodeHandle: Hashable, Sendable {
    private let bytes: [UInt8]

    /// Asks for the handle of a name in a directory, or with an empty one of the directory itself.
    ///
    /// - Throws: `EOPNOTSUPP` where the filesystem has none.
    package init(of name: RawPath, in directory: Directory) throws(SyscallError) {
        try self.init(name, directory.raw)
    }

    init(_ name: RawPath, _ directory: CInt) throws(SyscallError) {
        var buffer = [UInt8](repeating: 0, count: 136)
        let count = try checked("name_to_handle_at(\(name))") {
            name.withCString { cgraph_file_handle(directory, $0, &buffer) }
        }
        bytes = Array(buffer[..<Int(count)])
    }

    /// Reads what ``text`` gave; nil for anything else.
    package init?(text: RawPath) {
        let digits = Array(text.bytes)
        // The head is two numbers of four bytes, the first of which counts what follows.
        guard digits.count.isMultiple(of: 2), digits.count >= 18 else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            let pair = String(decoding: digits[index..<index + 2], as: UTF8.self)
            guard let byte = UInt8(pair, radix: 16) else { return nil }
            bytes.append(byte)
        }
        guard Int(bytes[0]) == bytes.count - 8, bytes[1...3].allSatisfy({ $0 == 0 }) else {
            return nil
        }
        self.bytes = bytes
    }

    /// The handle in hexadecimal digits.
    package var text: RawPath {
        RawPath(
            bytes.map { byte in
                let digits = String(byte, radix: 16)
                return digits.count == 1 ? "0" + digits : digits
            }.joined())
    }

    /// Whether the inode still exists on the filesystem of a directory; nil where this process may not
    /// ask, or nobody tells.
    package func exists(beside directory: Directory) -> Bool? {
        do throws(SyscallError) {
            _ = try open(beside: directory)
            return true
        } catch {
            let isGone =
                error.errno == .noSuchFileOrDirectory || error.errno == Errno(rawValue: ESTALE)
            return isGone ? false : nil
        }
    }

    /// Opens the inode by way of a directory of its filesystem; `open_by_handle_at(2)` with `O_PATH`.
    func open(beside directory: Directory) throws(SyscallError) -> OwnedDescriptor {
        let opened = try checked("open_by_handle_at") {
            bytes.withUnsafeBytes { cgraph_open_handle(directory.raw, $0.baseAddress) }
        }
        return OwnedDescriptor(owning: opened)
    }
}
