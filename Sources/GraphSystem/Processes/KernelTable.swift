// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import SystemPackage

/// A table that the kernel makes up as it is read, such as those in `/proc`.
struct KernelTable {
    private let bytes: [UInt8]

    /// More than any table has.
    private static let bytesMax = 1 << 28

    /// Reads the whole: a read gives a page or less, and only one without any bytes is the last.
    ///
    /// - Throws: `EFBIG` when it is longer than any.
    init(reading file: borrowing OwnedDescriptor) throws(SyscallError) {
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let got = try file.read(into: &buffer, count: buffer.count, at: UInt64(content.count))
            if got == 0 { break }
            content.append(contentsOf: buffer[..<got])
            if content.count > Self.bytesMax {
                throw SyscallError(call: "read", errno: .fileTooLarge)
            }
        }
        bytes = content
    }

    /// The lines, without empty ones.
    var lines: [ArraySlice<UInt8>] { bytes.split(separator: UInt8(ascii: "\n")) }
}
