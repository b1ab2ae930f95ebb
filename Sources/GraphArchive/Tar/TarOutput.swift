// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// Collects small writes on their way to a sink.
struct TarOutput: ~Copyable {
    private let sink: any ByteSink
    private var buffer = [UInt8](repeating: 0, count: TarLimits.bufferBytes)
    private var used = 0

    init(_ sink: any ByteSink) { self.sink = sink }

    mutating func write(_ bytes: Span<UInt8>) throws(ArchiveError) {
        if bytes.count > buffer.count - used { try flush() }
        if bytes.count >= buffer.count {
            try sink.write(bytes)
            return
        }
        copy(bytes, into: &buffer, at: used)
        used += bytes.count
    }

    mutating func writeZeros(_ count: Int) throws(ArchiveError) {
        if count > buffer.count - used { try flush() }
        for index in used..<(used + count) { buffer[index] = 0 }
        used += count
    }

    mutating func flush() throws(ArchiveError) {
        if used == 0 { return }
        let count = used
        used = 0
        try sink.write(buffer.span.extracting(0..<count))
    }

    /// Flushes and ends the sink.
    mutating func finish() throws(ArchiveError) {
        try flush()
        try sink.finish()
    }
}
