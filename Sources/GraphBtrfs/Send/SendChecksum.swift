// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// The checksum of send streams: CRC-32C as the kernel's `crc32c_le` computes it, from 0 and without
/// the inversions of the standard.
struct SendChecksum {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in
            value & 1 == 0 ? value >> 1 : value >> 1 ^ 0x82F6_3B78
        }
    }

    private(set) var value: UInt32 = 0

    /// Adds bytes.
    mutating func add(_ bytes: ArraySlice<UInt8>) {
        let table = Self.table
        var value = self.value
        for byte in bytes {
            value = value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ byte)]
        }
        self.value = value
    }
}
