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
