// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive

/// Reads a source on a thread of its own, a few blocks ahead of whoever reads this.
///
/// So that decompressing and hashing a layer take one processor while unpacking it takes another.
/// ``stop()`` must be called before the source is used for anything else.
final class ReadAhead: ByteSource {
    private let blocks: BlockQueue
    private var current: [UInt8] = []
    private var rest = 0..<0
    private var isAtEnd = false

    /// Begins to read.
    init(_ source: any ByteSource) {
        let blocks = BlockQueue()
        self.blocks = blocks
        let reader = SourceReader(source: source)
        startThread {
            reader.run(into: blocks)
        }
    }

    func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        while rest.isEmpty {
            if isAtEnd { return 0 }
            let (block, count) = try blocks.take(returning: current).get()
            (current, rest, isAtEnd) = (block, 0..<count, count == 0)
        }
        let count = min(buffer.count, rest.count)
        if count == rest.count && rest.lowerBound == 0 && buffer.count == current.count {
            // The whole block changes hands, and no byte is copied.
            swap(&buffer, &current)
            rest = 0..<0
            return count
        }
        let taken = rest.prefix(count)
        buffer.replaceSubrange(0..<count, with: current[taken])
        rest = rest.dropFirst(count)
        return count
    }

    /// Ends the reading, and waits for the block that is being read.
    func stop() { blocks.stop() }
}

/// The thread's side: what it reads is its own until it has ended.
private struct SourceReader: @unchecked Sendable {
    let source: any ByteSource

    func run(into blocks: BlockQueue) {
        while var block = blocks.next() {
            let result: Result<Int, ArchiveError>
            do throws(ArchiveError) {
                result = .success(try source.read(into: &block))
            } catch {
                result = .failure(error)
            }
            if !blocks.put(result.map { (block, $0) }) { break }
        }
        blocks.end()
    }
}

/// Blocks on their way between two threads, a fixed number of them.
private final class BlockQueue: @unchecked Sendable {
    typealias Block = Result<([UInt8], Int), ArchiveError>

    private static let blockBytes = 1 << 18
    private static let count = 4
    private let condition = NSCondition()
    private var empty = (0..<count).map { _ in [UInt8](repeating: 0, count: blockBytes) }
    private var full: [Block] = []
    private var isStopped = false
    private var hasEnded = false

    /// A block to fill; nil once nobody wants more.
    func next() -> [UInt8]? {
        condition.lock()
        defer { condition.unlock() }
        while empty.isEmpty && !isStopped { condition.wait() }
        return isStopped ? nil : empty.popLast()
    }

    /// Hands a block on; false when it was the last.
    func put(_ block: Block) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        full.append(block)
        condition.signal()
        guard case .success(let (_, count)) = block else { return false }
        return count > 0
    }

    /// The next block that was filled, for one that was used up.
    func take(returning used: [UInt8]) -> Block {
        condition.lock()
        defer { condition.unlock() }
        if used.count == Self.blockBytes {
            empty.append(used)
            condition.signal()
        }
        while full.isEmpty { condition.wait() }
        return full.removeFirst()
    }

    func end() {
        condition.lock()
        hasEnded = true
        condition.signal()
        condition.unlock()
    }

    func stop() {
        condition.lock()
        isStopped = true
        condition.signal()
        while !hasEnded { condition.wait() }
        condition.unlock()
    }
}

/// Starts a thread that nobody else waits for: unlike a queue's, there is always one more.
func startThread(_ body: @escaping @Sendable () -> Void) {
    let thread = Thread(block: body)
    thread.stackSize = 1 << 20
    thread.start()
}
