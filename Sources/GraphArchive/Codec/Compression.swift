// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// How a stream is compressed.
public enum Compression: String, Hashable, Sendable, CaseIterable {
    case none
    case gzip
    case zstd
    /// Only read, never written.
    case xz
    /// Only read, never written.
    case bzip2

    /// What a ``Compressor`` writes.
    package static let written: [Compression] = [.none, .gzip, .zstd]

    /// Bytes at the front of a stream that ``detect(_:)`` wants to see, where there are as many.
    static let headBytes = 16

    /// Recognises a stream by its first bytes.
    package static func detect(_ head: ArraySlice<UInt8>) -> Compression {
        if head.starts(with: [0x1F, 0x8B]) { return .gzip }
        if head.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) { return .zstd }
        // A skippable frame of zstd: sixteen magic numbers, least significant byte first.
        if head.count >= 4, head.dropFirst().starts(with: [0x2A, 0x4D, 0x18]),
            head.first.map({ $0 & 0xF0 == 0x50 }) == true
        {
            return .zstd
        }
        if head.starts(with: [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]) { return .xz }
        // `BZh` alone may be the name of a tar's first member. The digit of the block size is
        // followed by the magic of a block, or of the end of an empty stream.
        let behind = head.dropFirst(4)
        if head.starts(with: "BZh".utf8),
            behind.starts(with: [0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
                || behind.starts(with: [0x17, 0x72, 0x45, 0x38, 0x50, 0x90])
        {
            return .bzip2
        }
        return .none
    }
}
