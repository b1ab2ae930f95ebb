// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// Hashes the bytes that pass on their way from another source.
package final class HashingSource: ByteSource {
    private let source: any ByteSource
    private var hasher = DigestHasher()
    /// Bytes passed so far.
    package private(set) var byteCount: UInt64 = 0

    /// Passes on what `source` gives.
    package init(_ source: any ByteSource) { self.source = source }

    /// The digest of the bytes passed so far: of the whole stream once it has been read to its end.
    package var digest: Digest { hasher.digest }

    package func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        let count = try source.read(into: &buffer)
        hasher.update(buffer, count)
        byteCount += UInt64(count)
        return count
    }
}

/// Hashes the bytes that pass on their way to another sink.
package final class HashingSink: ByteSink {
    private let sink: any ByteSink
    private var hasher = DigestHasher()
    /// Bytes passed so far.
    package private(set) var byteCount: UInt64 = 0

    /// Passes on to `sink`.
    package init(_ sink: any ByteSink) { self.sink = sink }

    /// The digest of the bytes passed so far.
    package var digest: Digest { hasher.digest }

    package func write(_ bytes: Span<UInt8>) throws(ArchiveError) {
        hasher.update(bytes)
        byteCount += UInt64(bytes.count)
        try sink.write(bytes)
    }

    package func finish() throws(ArchiveError) { try sink.finish() }
}
