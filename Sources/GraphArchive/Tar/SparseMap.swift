// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// A piece of a file that has data.
struct DataExtent: Hashable {
    /// Bytes from the start of the file.
    var offset: UInt64
    var length: UInt64
}

/// The data of one member: which pieces of the file are in the stream, one behind the other.
struct SparseMap {
    private var extents: [DataExtent] = []
    private var next = 0
    /// What is left of the piece that is being read.
    private(set) var current = DataExtent(offset: 0, length: 0)

    /// Nothing.
    init() {}

    /// One piece from the file's start.
    init(size: UInt64) { current = DataExtent(offset: 0, length: size) }

    /// Pieces of a sparse file, which must use all bytes that the stream holds.
    ///
    /// `fileSize` counts the bytes of the file with its holes. `offset` is where the member's
    /// header stands, for errors.
    init(
        _ extents: [DataExtent], fileSize: UInt64, storedSize: UInt64, at offset: UInt64
    ) throws(ArchiveError) {
        var (end, stored): (UInt64, UInt64) = (0, 0)
        for extent in extents {
            // No sum can overflow: offsets and lengths come from signed 64-bit numbers, and pieces
            // in order that do not overlap sum up to no more than the last one's end.
            guard extent.offset >= end, extent.length <= fileSize,
                extent.offset <= fileSize - extent.length
            else {
                throw ArchiveError(
                    .malformed, "a sparse file's map is out of order or leaves the file",
                    offset: offset)
            }
            end = extent.offset + extent.length
            stored += extent.length
        }
        if stored != storedSize {
            throw ArchiveError(
                .malformed, "a sparse file's map does not match the size of its data",
                offset: offset)
        }
        self.extents = extents
    }

    /// Steps over finished and empty pieces; false when there are no more data.
    mutating func advance() -> Bool {
        while current.length == 0 {
            if next == extents.count { return false }
            current = extents[next]
            next += 1
        }
        return true
    }

    /// Counts bytes of the current piece as read.
    mutating func consume(_ count: Int) {
        current.offset += UInt64(count)
        current.length -= UInt64(count)
    }

    /// Refuses maps with more pieces than ``TarLimits/sparseExtents``.
    static func checkCount(_ count: Int, at offset: UInt64) throws(ArchiveError) {
        if count > TarLimits.sparseExtents {
            throw ArchiveError(
                .unsupported,
                "a sparse file has more than \(TarLimits.sparseExtents) pieces", offset: offset)
        }
    }
}

// The map of GNU's old format: in the header block and in blocks behind it.
extension SparseMap {
    /// Reads the pieces that the header names and those in the blocks that continue it.
    static func readOldGNU(
        _ header: inout TarHeader, _ input: inout TarInput, at offset: UInt64
    ) throws(ArchiveError) -> [DataExtent] {
        var extents: [DataExtent] = []
        var isContinued = try append(
            from: header, start: 386, count: 4, to: &extents, at: offset)
        while isContinued {
            let place = input.offset
            guard try input.read(&header) else {
                throw ArchiveError(
                    .truncated, "the archive ends inside a sparse file's map", offset: place)
            }
            isContinued = try append(from: header, start: 0, count: 21, to: &extents, at: place)
            try checkCount(extents.count, at: offset)
        }
        return extents
    }

    /// Takes pairs of twelve-byte numbers; the byte behind them tells whether another block
    /// follows.
    private static func append(
        from block: TarHeader, start: Int, count: Int, to extents: inout [DataExtent],
        at offset: UInt64
    ) throws(ArchiveError) -> Bool {
        for index in 0..<count {
            let place = start + index * 24
            if block.bytes[place] == 0 { break }
            guard let position = block.parseNumber(in: place..<(place + 12)), position >= 0,
                let length = block.parseNumber(in: (place + 12)..<(place + 24)), length >= 0
            else {
                throw ArchiveError(
                    .malformed, "a sparse file's map holds no number", offset: offset)
            }
            extents.append(DataExtent(offset: UInt64(position), length: UInt64(length)))
        }
        return block.bytes[start + count * 24] != 0
    }
}

// The map of GNU's PAX format 1.0: decimal lines in front of the data, padded to a block.
extension SparseMap {
    /// Reads the pieces.
    ///
    /// - Returns: The pieces, and how many bytes of the member they took.
    static func readFromData(
        _ input: inout TarInput, limit: UInt64, at offset: UInt64
    ) throws(ArchiveError) -> (extents: [DataExtent], byteCount: UInt64) {
        let start = input.offset
        var extents: [DataExtent] = []
        let count = try readLine(&input, start: start, limit: limit, at: offset)
        try checkCount(Int(count), at: offset)
        for _ in 0..<count {
            let position = try readLine(&input, start: start, limit: limit, at: offset)
            let length = try readLine(&input, start: start, limit: limit, at: offset)
            extents.append(DataExtent(offset: position, length: length))
        }
        let used = input.offset - start
        let padding = TarHeader.padding(of: used)
        if padding > limit - used { throw badMap(at: offset) }
        try input.skip(padding, "a sparse file's map")
        return (extents, used + padding)
    }

    private static func readLine(
        _ input: inout TarInput, start: UInt64, limit: UInt64, at offset: UInt64
    ) throws(ArchiveError) -> UInt64 {
        var value: UInt64?
        while true {
            if input.offset - start >= limit { throw badMap(at: offset) }
            let byte = try input.readByte("a sparse file's map")
            if byte == UInt8(ascii: "\n"), let value { return value }
            guard let next = Decimal.append(byte, to: value ?? 0) else {
                throw badMap(at: offset)
            }
            value = next
        }
    }

    private static func badMap(at offset: UInt64) -> ArchiveError {
        ArchiveError(.malformed, "a sparse file's map is not a list of numbers", offset: offset)
    }
}

extension TarHeader {
    /// Bytes that fill `count` bytes up to whole blocks.
    static func padding(of count: UInt64) -> UInt64 { (0 &- count) & 511 }
}
