// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Hashes the bytes that pass on their way to another sink, both on a thread of its own.
///
/// ``finish()`` must be called, or ``abandon()`` when the bytes end in a failure.
final class HashingPipe: ByteSink {
    private static let blockCount = 4

    private let blocks: Monitor<Blocks>
    private let sink: any ByteSink
    private let thread: WorkerThread
    private var block = PartialBlock(bytes: TarLimits.bufferBytes)
    private var hasEnded = false
    private let start = ContinuousClock.now
    private var waited = Duration.zero

    /// Passes on to `sink`, which nobody else uses until ``finish()``, which finishes it.
    init(_ sink: any ByteSink) throws(ArchiveError) {
        let blocks = Monitor(Blocks(spare: Self.blockCount - 1))
        let side = PipeThread(blocks: blocks, sink: sink)
        (self.blocks, self.sink) = (blocks, sink)
        thread = try attempting("start a thread", try WorkerThread { side.run() })
    }

    deinit { abandon() }

    /// What was written, once finished.
    var result: WrittenTar {
        var written = blocks.change { $0.written }
        written.timings.read = ContinuousClock.now - start - waited
        return written
    }

    func write(_ bytes: Span<UInt8>) throws(ArchiveError) {
        var start = 0
        while start < bytes.count {
            start += block.append(bytes, from: start)
            if block.isFull { try pass() }
        }
    }

    /// Lets `body` fill a part of the next block, of `limit` bytes at most; it returns how many it
    /// has filled.
    func fill(
        _ limit: UInt64, _ body: (inout [UInt8], Range<Int>) throws(ArchiveError) -> Int
    ) throws(ArchiveError) -> Int {
        if block.isFull { try pass() }
        return try block.fill(limit, body)
    }

    func finish() throws(ArchiveError) {
        if block.count > 0 { try pass() }
        end()
        if let failure = blocks.change({ $0.failure }) { throw failure }
        try sink.finish()
    }

    /// Ends the thread, whatever is still to be passed on.
    func abandon() {
        blocks.change { $0.full.removeAll() }
        end()
    }

    private func end() {
        if hasEnded { return }
        hasEnded = true
        let start = ContinuousClock.now
        blocks.change { $0.isAtEnd = true }
        thread.join()
        waited += ContinuousClock.now - start
    }

    /// Hands the block on and takes an empty one.
    private func pass() throws(ArchiveError) {
        let full = block
        block = PartialBlock()
        let start = ContinuousClock.now
        defer { waited += ContinuousClock.now - start }
        let next = blocks.wait { blocks -> Waiting<Result<[UInt8], ArchiveError>> in
            if let failure = blocks.failure { return .done(.failure(failure)) }
            return blocks.empty.popLast().map { .done(.success($0)) } ?? .again
        }
        blocks.change { $0.full.append(full) }
        block = PartialBlock(in: try next.get())
    }
}

/// What a tar that was written came to.
public struct WrittenTar: Hashable, Sendable {
    /// Of the plain tar, as is the count.
    public let digest: Digest
    /// The bytes of the tar, uncompressed.
    public let byteCount: UInt64
    /// Where the time went.
    public internal(set) var timings = WorkTimings()
    /// What of the layer is not in it.
    package internal(set) var warnings: [LayerWarning] = []
}

private struct Blocks: Sendable {
    var empty: [[UInt8]]
    var full: [PartialBlock] = []
    var isAtEnd = false
    var failure: ArchiveError?
    /// What came of it; of an empty tar until the thread has ended.
    var written = WrittenTar(digest: DigestHasher().digest, byteCount: 0)

    init(spare: Int) {
        empty = (0..<spare).map { _ in [UInt8](repeating: 0, count: TarLimits.bufferBytes) }
    }
}

/// The thread's side.
private struct PipeThread: Sendable {
    let blocks: Monitor<Blocks>
    // The thread's alone until it has ended.
    nonisolated(unsafe) let sink: any ByteSink

    func run() {
        var hasher = DigestHasher()
        var byteCount: UInt64 = 0
        var timings = WorkTimings()
        defer {
            let written = WrittenTar(
                digest: hasher.digest, byteCount: byteCount, timings: timings)
            blocks.change { $0.written = written }
        }
        while var block = nextFull() {
            do throws(ArchiveError) {
                let start = ContinuousClock.now
                hasher.update(block.bytes, block.count)
                byteCount += UInt64(block.count)
                let hashed = ContinuousClock.now
                timings.hash += hashed - start
                try unsafe sink.write(block.bytes.span.extracting(0..<block.count))
                timings.write += ContinuousClock.now - hashed
                // Nobody else may hold it when it is filled again, or it would be copied.
                blocks.change { blocks in
                    blocks.empty.append(block.bytes)
                    block = PartialBlock()
                }
            } catch {
                blocks.change { $0.failure = error }
                return
            }
        }
    }

    private func nextFull() -> PartialBlock? {
        blocks.wait { blocks in
            if !blocks.full.isEmpty { return .done(blocks.full.removeFirst()) }
            return blocks.isAtEnd ? .done(nil) : .again
        }
    }
}
