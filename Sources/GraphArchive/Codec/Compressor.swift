// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Encodes a stream on its way to a sink.
///
/// The same bytes always give the same output, in whatever portions they are written.
package final class Compressor: ByteSink {
    private let sink: any ByteSink
    private let encoder: (any StreamEncoder)?
    // Encoders may decide by the portions they get, so they get all of one size.
    private var block = PartialBlock()

    /// Writes to `sink`, which ``finish()`` ends; `compression` is one of ``Compression/written``.
    ///
    /// Levels are 1 to 3 for gzip (2 if not given) and 1 to 19 for zstd (3 if not given); others are
    /// taken for the nearest of these. `threads` beside the caller's compress zstd; the output is the
    /// same for any number but 0.
    package init(
        _ sink: any ByteSink, _ compression: Compression, level: Int? = nil,
        threads: Int = min(processorCount, 8)
    ) {
        self.sink = sink
        switch compression {
        case .none: encoder = nil
        case .gzip:
            encoder = GzipEncoder(
                level: Self.clamp(level ?? GzipEncoder.defaultLevel, GzipEncoder.levels))
        case .zstd:
            encoder = ZstdEncoder(
                level: Self.clamp(level ?? ZstdEncoder.defaultLevel, ZstdEncoder.levels),
                threads: threads)
        case .xz, .bzip2: preconditionFailure("\(compression) is only read")
        }
        if encoder != nil { block = PartialBlock(bytes: TarLimits.bufferBytes) }
    }

    private static func clamp(_ level: Int, _ range: ClosedRange<Int>) -> Int {
        min(max(level, range.lowerBound), range.upperBound)
    }

    package func write(_ bytes: Span<UInt8>) throws(ArchiveError) {
        guard encoder != nil else {
            try sink.write(bytes)
            return
        }
        var start = 0
        while start < bytes.count {
            start += block.append(bytes, from: start)
            if block.isFull { try encode(isLast: false) }
        }
    }

    package func finish() throws(ArchiveError) {
        try encode(isLast: true)
        try sink.finish()
    }

    private func encode(isLast: Bool) throws(ArchiveError) {
        // A class's property cannot be lent itself; an array that shares its storage can.
        let portion = block.bytes
        try encoder?.encode(portion.span.extracting(0..<block.count), isLast: isLast) {
            (bytes: Span<UInt8>) throws(ArchiveError) in
            try sink.write(bytes)
        }
        block.clear()
    }
}
