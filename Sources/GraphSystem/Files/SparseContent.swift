// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// Content that is being written to a new file, whose blocks of zeros are left as holes.
package struct SparseContent {
    /// How far the content reaches, which may end in a hole.
    package private(set) var end: UInt64 = 0
    /// How far it was written: where that is less, the file has to be made longer in the end.
    package private(set) var writtenEnd: UInt64 = 0

    /// Blocks of zeros of this size, aligned in the file, are not written.
    package static let holeBytes = 4_096

    /// Begins without any.
    package init() {}

    /// Writes the next bytes of the file, behind those before, but for aligned blocks of zeros.
    package mutating func write(
        _ bytes: Span<UInt8>, at offset: UInt64, to file: borrowing OwnedDescriptor
    ) throws(SyscallError) {
        end = offset + UInt64(bytes.count)
        var start = 0
        var position = 0
        while position < bytes.count {
            // Up to the next block border of the file.
            let length = min(
                Self.holeBytes - Int((offset + UInt64(position)) % UInt64(Self.holeBytes)),
                bytes.count - position)
            // A part of a block as well: the rest of it may come with the next bytes.
            if bytes.isZero(position..<(position + length)) {
                if start < position {
                    try file.write(bytes.extracting(start..<position), at: offset + UInt64(start))
                }
                start = position + length
            }
            position += length
        }
        if start == bytes.count { return }
        try file.write(bytes.extracting(start..<bytes.count), at: offset + UInt64(start))
        writtenEnd = end
    }
}

extension OwnedDescriptor {
    /// The next range of the file from `offset` on that may hold other bytes than zeros; nil behind
    /// the last; `lseek(2)` with `SEEK_DATA` and `SEEK_HOLE`, which moves the position.
    package func nextData(from offset: UInt64) throws(SyscallError) -> Range<UInt64>? {
        let start = lseek(rawValue, off_t(offset), CGRAPH_SEEK_DATA)
        if start == -1 {
            if Glibc.errno == ENXIO { return nil }
            throw SyscallError(call: "lseek(SEEK_DATA)", errno: Errno(rawValue: Glibc.errno))
        }
        let end = try checked("lseek(SEEK_HOLE)") { lseek(rawValue, start, CGRAPH_SEEK_HOLE) }
        return UInt64(start)..<UInt64(end)
    }

    /// Gives the blocks of a range of the file back, which then reads as zeros; `fallocate(2)` with
    /// `FALLOC_FL_PUNCH_HOLE`.
    ///
    /// - Throws: `EOPNOTSUPP` where files cannot have holes.
    package func punchHole(at offset: UInt64, length: UInt64) throws(SyscallError) {
        try checked("fallocate(FALLOC_FL_PUNCH_HOLE)") {
            cgraph_punch_hole(rawValue, offset, length)
        }
    }
}
