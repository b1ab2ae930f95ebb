// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// The keys and values of a tree in a pool's metadata, in order, read a block at a time: a volume of a
/// terabyte has millions.
struct MetadataWalk {
    /// One key of 8 bytes with its value of as many.
    struct Entry: Hashable {
        let key: UInt64
        let value: UInt64
    }

    private let metadata: PoolMetadata
    /// Blocks to be read, the next one last.
    private var waiting: [UInt64]
    /// The leaf that is being handed over, from `index` on.
    private var leaf = MetadataBlock(bytes: [])
    private var entries = 0..<0
    private var valuesStart = 0
    private var visitedCount = 0

    /// More blocks than any map of a volume has.
    private static let visitedMax = 1 << 24

    /// Starts at the roots of trees that follow each other.
    init(_ roots: [UInt64], in metadata: PoolMetadata) {
        (waiting, self.metadata) = (roots.reversed(), metadata)
    }

    /// The block with which the next entry begins; nil in the middle of one, and at the end.
    private var nextBlock: UInt64? { entries.isEmpty ? waiting.last : nil }

    /// The next entry; nil behind the last.
    mutating func next() throws(SyscallError) -> Entry? {
        while entries.isEmpty {
            guard let number = waiting.popLast() else { return nil }
            try enter(number)
        }
        let index = entries.removeFirst()
        return Entry(
            key: leaf.number(at: 32 + index * 8, bytes: 8),
            value: leaf.number(at: valuesStart + index * 8, bytes: 8))
    }

    private mutating func enter(_ number: UInt64) throws(SyscallError) {
        let node = try metadata.block(number)
        let count = Int(node.number(at: 16, bytes: 4))
        let room = Int(node.number(at: 20, bytes: 4))
        visitedCount += 1
        // 32 bytes of header, then all keys, then all values.
        guard node.number(at: 8, bytes: 8) == number, count <= room, 32 + room * 16 <= 4_096,
            node.number(at: 24, bytes: 4) == 8, visitedCount < Self.visitedMax
        else { throw SyscallError.damage("block \(number) of the metadata", "no tree's node") }
        let start = 32 + room * 8
        if node.number(at: 4, bytes: 4) & 1 != 0 {
            waiting += (0..<count).reversed().map { node.number(at: start + $0 * 8, bytes: 8) }
        } else {
            (leaf, entries, valuesStart) = (node, 0..<count, start)
        }
    }

    /// How many entries are left that another tree does not have.
    ///
    /// Blocks that both trees share are not read: the work grows with the difference.
    mutating func countEntries(notIn other: inout MetadataWalk) throws(SyscallError) -> UInt64 {
        var count: UInt64 = 0
        var theirs: Entry?
        while true {
            while theirs == nil, let block = nextBlock, block == other.nextBlock {
                waiting.removeLast()
                other.waiting.removeLast()
            }
            guard let own = try next() else { return count }
            while true {
                if theirs == nil { theirs = try other.next() }
                guard let passed = theirs, passed.key < own.key else { break }
                theirs = nil
            }
            if theirs != own { count += 1 }
            if theirs?.key == own.key { theirs = nil }
        }
    }
}
