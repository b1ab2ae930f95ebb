// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// A layer tar on its way to whoever unpacks it.
///
/// Three threads work on it at once: one reads and decompresses, the caller's own unpacks what
/// ``read(into:)`` gives, and one hashes behind it. The same few blocks go round, and no byte is
/// copied for a caller that reads with buffers of ``blockBytes``.
package final class LayerStream: ByteSource {
    /// The size of buffers that change hands without being copied.
    package static let blockBytes = TarLimits.bufferBytes
    private static let blockCount = 12

    private let blocks: Monitor<Blocks>
    private let reader: WorkerThread
    private let hasher: WorkerThread
    /// What the caller holds since its last reading, and gives back with the next.
    private var heldCount = 0
    /// A block that a caller with smaller buffers has not read to its end.
    private var current: [UInt8] = []
    private var rest = 0..<0
    private var hasEnded = false

    /// Begins to read `source`, plain or compressed, which nobody else reads until ``stop()``.
    ///
    /// `observer` is asked at each reading of the source, since much of it may decompress to nothing.
    ///
    /// - Throws: ``ArchiveError/Code/unsupported`` for a compression that is not read, and what
    ///   `source` throws.
    package init(
        _ source: any ByteSource, room: DecoderMemory = DecoderMemory(),
        observer: WorkObserver = .none
    ) throws(ArchiveError) {
        let source = TimedSource(source, observer)
        let decompressor = try Decompressor(source, room: room)
        let blocks = Monitor(Blocks(count: Self.blockCount, bytes: Self.blockBytes))
        let hashing = HashingThread(blocks: blocks)
        let reading = ReadingThread(source: source, decompressor: decompressor, blocks: blocks)
        self.blocks = blocks
        reader = try attempting("start a thread", try WorkerThread { reading.run() })
        do throws(SyscallError) {
            hasher = try WorkerThread { hashing.run() }
        } catch {
            blocks.change { $0.isStopped = true }
            reader.join()
            throw ArchiveError(.system, "could not start a thread", cause: error)
        }
    }

    deinit { stop() }

    package func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        if rest.isEmpty && buffer.count == Self.blockBytes {
            var block = Block(bytes: [], count: heldCount)
            swap(&block.bytes, &buffer)
            let next = give(block)
            (buffer, heldCount) = (next.bytes, next.count)
            if let failure = next.failure { throw failure }
            return next.count
        }
        if rest.isEmpty {
            let next = give(Block(bytes: current, count: rest.upperBound))
            if let failure = next.failure { throw failure }
            (current, rest) = (next.bytes, 0..<next.count)
        }
        let count = min(buffer.count, rest.count)
        copy(current.span.extracting(rest.prefix(count)), into: &buffer, at: 0)
        rest = rest.dropFirst(count)
        return count
    }

    /// Waits until all bytes are hashed; called when everything has been read.
    ///
    /// - Returns: The digest and the number of the bytes of the plain tar.
    package func finish() -> (digest: Digest, byteCount: UInt64) {
        hasher.join()
        return blocks.change { $0.hashed }
    }

    /// What the threads have spent their time on.
    package var timings: WorkTimings { blocks.change { $0.timings } }

    /// Ends the reading, and waits for the block that is being read.
    package func stop() {
        blocks.change { $0.isStopped = true }
        reader.join()
        hasher.join()
    }

    /// Hands a block on to be hashed, and waits for the next.
    private func give(_ block: Block) -> Block {
        let isOwn = block.bytes.count == Self.blockBytes
        if isOwn { blocks.change { $0.used.append(block) } }
        if hasEnded { return Block(bytes: [], count: 0) }
        let next = blocks.wait { blocks -> Waiting<Block> in
            blocks.full.isEmpty ? .again : .done(blocks.full.removeFirst())
        }
        if next.count == 0 {
            hasEnded = true
            blocks.change { $0.isConsumed = true }
        }
        return next
    }
}

/// A buffer and how many bytes of it are filled; none at the end of the stream.
private struct Block: Sendable {
    var bytes: [UInt8]
    var count: Int
    var failure: ArchiveError?
}

/// Where the blocks are.
private struct Blocks: Sendable {
    var empty: [[UInt8]]
    /// Read, for the caller.
    var full: [Block] = []
    /// Unpacked, to be hashed.
    var used: [Block] = []
    /// Whether the caller has seen the end.
    var isConsumed = false
    var isStopped = false
    var timings = WorkTimings()
    /// What was hashed, once that thread has ended; nothing before.
    var hashed: (digest: Digest, byteCount: UInt64) = (DigestHasher().digest, 0)

    init(count: Int, bytes: Int) {
        empty = (0..<count).map { _ in [UInt8](repeating: 0, count: bytes) }
    }
}

/// The side of the reading thread.
private struct ReadingThread: Sendable {
    // What it reads is its own until it has ended.
    nonisolated(unsafe) let source: TimedSource
    nonisolated(unsafe) let decompressor: Decompressor
    let blocks: Monitor<Blocks>

    func run() {
        while var bytes = nextEmpty() {
            let (start, before) = (ContinuousClock.now, unsafe source.spent)
            var block = Block(bytes: [], count: 0)
            do throws(ArchiveError) {
                block.count = try unsafe decompressor.read(into: &bytes)
            } catch {
                block.failure = error
            }
            block.bytes = bytes
            bytes = []
            let reading = unsafe source.spent - before
            let decompressing = ContinuousClock.now - start - reading
            let full = block
            blocks.change { blocks in
                blocks.full.append(full)
                blocks.timings.read += reading
                blocks.timings.decompress += decompressing
            }
            if block.count == 0 { return }
        }
    }

    private func nextEmpty() -> [UInt8]? {
        blocks.wait { blocks in
            if blocks.isStopped { return .done(nil) }
            return blocks.empty.popLast().map { .done($0) } ?? .again
        }
    }
}

/// The side of the hashing thread.
private struct HashingThread: Sendable {
    let blocks: Monitor<Blocks>

    func run() {
        var hasher = DigestHasher()
        var byteCount: UInt64 = 0
        defer {
            let hashed = (hasher.digest, byteCount)
            blocks.change { $0.hashed = hashed }
        }
        while var block = nextUsed() {
            let start = ContinuousClock.now
            hasher.update(block.bytes, block.count)
            byteCount += UInt64(block.count)
            let spent = ContinuousClock.now - start
            blocks.change { blocks in
                // Nobody else may hold it when the reader writes into it, or it would be copied.
                blocks.empty.append(block.bytes)
                block.bytes = []
                blocks.timings.hash += spent
            }
        }
    }

    private func nextUsed() -> Block? {
        blocks.wait { blocks in
            if blocks.isStopped { return .done(nil) }
            if !blocks.used.isEmpty { return .done(blocks.used.removeFirst()) }
            return blocks.isConsumed ? .done(nil) : .again
        }
    }
}

/// Passes bytes on, and takes the time.
private final class TimedSource: ByteSource {
    private let source: any ByteSource
    private let observer: WorkObserver
    private(set) var spent = Duration.zero

    init(_ source: any ByteSource, _ observer: WorkObserver) {
        (self.source, self.observer) = (source, observer)
    }

    func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        try observer.requireGoOn()
        let start = ContinuousClock.now
        defer { spent += ContinuousClock.now - start }
        return try source.read(into: &buffer)
    }
}
