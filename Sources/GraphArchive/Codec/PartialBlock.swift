// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// A buffer of fixed size that is filled from its beginning.
struct PartialBlock: Sendable {
    private(set) var bytes: [UInt8]
    /// How many of the bytes are filled.
    private(set) var count = 0

    /// Makes an empty one of this size.
    init(bytes size: Int = 0) { bytes = [UInt8](repeating: 0, count: size) }

    /// Uses a buffer again, as an empty one.
    init(in buffer: [UInt8]) { bytes = buffer }

    var isFull: Bool { count == bytes.count }

    mutating func clear() { count = 0 }

    /// Takes what fits of the bytes from `start` on, and tells how many that are.
    mutating func append(_ more: Span<UInt8>, from start: Int) -> Int {
        let taken = min(more.count - start, bytes.count - count)
        copy(more.extracting(start..<(start + taken)), into: &bytes, at: count)
        count += taken
        return taken
    }

    /// Lets `body` fill up to `limit` bytes more; it returns how many it has filled.
    mutating func fill(
        _ limit: UInt64, _ body: (inout [UInt8], Range<Int>) throws(ArchiveError) -> Int
    ) throws(ArchiveError) -> Int {
        let room = Int(min(limit, UInt64(bytes.count - count)))
        let filled = try body(&bytes, count..<(count + room))
        count += filled
        return filled
    }
}
