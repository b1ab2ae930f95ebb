// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc

/// Orders the first `count` bytes of two buffers; `memcmp(3)`.
func compareBytes(
    _ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer, _ count: Int
) -> CInt {
    // An empty buffer may have no address.
    guard count > 0, let left = left.baseAddress, let right = right.baseAddress else { return 0 }
    return memcmp(left, right, count)
}

extension [UInt8] {
    /// Whether the first `count` bytes of both are the same; `memcmp(3)`.
    package func hasEqualPrefix(_ other: [UInt8], _ count: Int) -> Bool {
        precondition(count <= self.count && count <= other.count)
        return withUnsafeBytes { left in
            other.withUnsafeBytes { right in
                compareBytes(left, right, count) == 0
            }
        }
    }
}

extension OwnedDescriptor {
    /// Blocks of zeros of this size, aligned in the file, are not written but left as holes.
    package static let holeBytes = 4_096

    /// Writes bytes at `offset` of a new file, leaving out aligned blocks of zeros.
    ///
    /// A hole reads as zeros. Returns whether the last byte was written; where it was left out,
    /// the caller sets the length of the file in the end.
    @discardableResult
    package func writeLeavingHoles(
        _ bytes: Span<UInt8>, at offset: UInt64
    ) throws(SyscallError) -> Bool {
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
                    try write(bytes.extracting(start..<position), at: offset + UInt64(start))
                }
                start = position + length
            }
            position += length
        }
        if start == bytes.count { return false }
        try write(bytes.extracting(start..<bytes.count), at: offset + UInt64(start))
        return true
    }
}

extension Span<UInt8> {
    /// Whether all bytes of a range are zero.
    package func isZero(_ range: Range<Int>) -> Bool {
        withUnsafeBytes { bytes in
            let part = bytes[range]
            // A block equal to itself moved by one byte has one value throughout.
            guard let first = part.first, first == 0 else { return part.isEmpty }
            let (head, tail) = (part.dropLast(), part.dropFirst())
            return compareBytes(
                UnsafeRawBufferPointer(rebasing: head), UnsafeRawBufferPointer(rebasing: tail),
                head.count) == 0
        }
    }
}
