// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// What one call of a decoder did.
struct DecodeStep {
    /// Bytes taken from the input.
    var consumed: Int
    /// Bytes put into the output.
    var produced: Int
    /// Whether a frame of zstd, or a member of gzip, is complete and checked.
    var isFrameEnd: Bool
}

/// Decodes one frame behind the other.
protocol StreamDecoder: AnyObject {
    /// Decodes what it can of the bytes in `range` of the input, which may be none, into the output
    /// from `position` on, where at least one byte must have room.
    ///
    /// `offset` says where the input stands in the compressed stream, for errors.
    func decode(
        _ input: [UInt8], _ range: Range<Int>, into output: inout [UInt8], from position: Int,
        at offset: UInt64
    ) throws(ArchiveError) -> DecodeStep
}

/// Encodes a stream.
protocol StreamEncoder: AnyObject {
    /// Encodes a piece, which `isLast` says to be the stream's last, and calls `emit` with each
    /// stretch of output.
    func encode(
        _ input: Span<UInt8>, isLast: Bool, _ emit: (Span<UInt8>) throws(ArchiveError) -> Void
    ) throws(ArchiveError)
}
