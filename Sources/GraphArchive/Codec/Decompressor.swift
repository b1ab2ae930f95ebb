// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// Decodes a stream, whatever it is compressed with, or passes it through.
///
/// A stream may consist of several members of gzip, frames of zstd, or streams of xz or bzip2. Offsets in errors count
/// bytes of the compressed stream.
package final class Decompressor: ByteSource {
    /// What was recognised at the front of the stream.
    package let compression: Compression
    /// Bytes of the compressed stream consumed so far.
    package private(set) var compressedBytes: UInt64 = 0

    private let source: any ByteSource
    private let decoder: (any StreamDecoder)?
    private var input: [UInt8]
    private var pending: Range<Int>
    private var isInsideFrame = true
    private var isSourceAtEnd = false

    /// Reads as many bytes as it takes to recognise the compression.
    ///
    /// - Throws: What `source` throws.
    package init(
        _ source: any ByteSource, room: DecoderMemory = DecoderMemory()
    ) throws(ArchiveError) {
        var head: [UInt8] = []
        while head.count < Compression.headBytes {
            var piece = [UInt8](repeating: 0, count: Compression.headBytes - head.count)
            let count = try source.read(into: &piece)
            if count == 0 { break }
            head.append(contentsOf: piece[..<count])
        }
        self.source = source
        compression = Compression.detect(head[...])
        pending = 0..<head.count
        switch compression {
        case .none: decoder = nil
        case .gzip: decoder = GzipDecoder()
        case .zstd: decoder = ZstdDecoder(room)
        case .xz: decoder = XzDecoder(room)
        case .bzip2: decoder = Bzip2Decoder()
        }
        input = [UInt8](repeating: 0, count: decoder == nil ? head.count : TarLimits.bufferBytes)
        copy(head.span, into: &input, at: 0)
    }

    package func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        guard let decoder else { return try passThrough(&buffer) }
        var produced = 0
        while produced < buffer.count {
            if !isInsideFrame {
                guard try startsNextFrame() else { break }
                isInsideFrame = true
            }
            let step = try decoder.decode(
                input, pending, into: &buffer, from: produced, at: compressedBytes)
            consume(step.consumed)
            produced += step.produced
            if step.isFrameEnd {
                isInsideFrame = false
            } else if step.consumed == 0 && step.produced == 0 {
                try expectMore()
            }
        }
        return produced
    }

    private func passThrough(_ buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        var count: Int
        if pending.isEmpty {
            count = try source.read(into: &buffer)
        } else {
            count = min(pending.count, buffer.count)
            let front = pending.prefix(count)
            buffer.replaceSubrange(0..<count, with: input[front])
            pending = pending.dropFirst(count)
        }
        compressedBytes += UInt64(count)
        return count
    }

    private func consume(_ count: Int) {
        pending = pending.dropFirst(count)
        compressedBytes += UInt64(count)
    }

    /// Makes sure that there is input; false at the end of the stream.
    private func fill() throws(ArchiveError) -> Bool {
        if !pending.isEmpty { return true }
        if isSourceAtEnd { return false }
        pending = 0..<(try source.read(into: &input))
        isSourceAtEnd = pending.isEmpty
        return !isSourceAtEnd
    }

    /// Reads on in the middle of a frame, whose decoder has nothing left to work on.
    private func expectMore() throws(ArchiveError) {
        if !pending.isEmpty {
            throw ArchiveError(
                .malformed, "the \(compression) stream is damaged", offset: compressedBytes)
        }
        guard try fill() else {
            throw ArchiveError(
                .truncated, "the \(compression) stream ends too early", offset: compressedBytes)
        }
    }

    /// Looks behind a whole frame; false when the stream ends there.
    private func startsNextFrame() throws(ArchiveError) -> Bool {
        guard try fill() else { return false }
        // The decoders refuse a bad frame themselves. Zeros at the end are padding: of tapes, and of
        // xz, which has them between streams, too.
        if compression == .zstd || input[pending.lowerBound] != 0 {
            if compression != .gzip || input[pending.lowerBound] == 0x1F { return true }
            throw trailingData()
        }
        while try fill() {
            consume(input[pending].prefix { $0 == 0 }.count)
            if pending.isEmpty { continue }
            if compression == .xz { return true }
            throw trailingData()
        }
        return false
    }

    private func trailingData() -> ArchiveError {
        ArchiveError(
            .malformed, "there is something else after the \(compression) stream",
            offset: compressedBytes)
    }
}
