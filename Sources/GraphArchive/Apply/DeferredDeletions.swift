// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Deletions in directories that a layer has not named yet, or above parents that are not complete.
///
/// Only at the end of the archive it is known whether the layer has the directory, or deletes it as
/// a whole. A layer may have millions of them, with paths as long as Linux takes them, so that they
/// are put into a file without a name beyond ``memoryBytesMax``.
final class DeferredDeletions {
    /// The deletions in directories equally far from the root.
    private struct Level {
        /// Paths, each with a NUL behind it, that are not in the file.
        var paths: [UInt8] = []
        /// Where the last block of paths lies in the file; nil when there is none.
        var lastBlock: UInt64?
    }

    private var levels: [Level] = []
    private var memoryBytes = 0
    private var file: OwnedDescriptor?
    private var fileBytes: UInt64 = 0
    private let makeFile: () throws(SyscallError) -> OwnedDescriptor
    /// Bytes of all paths.
    private(set) var byteCount = 0

    /// How much is kept in memory, and a block a level beyond that.
    private static let memoryBytesMax = 1 << 20
    private static let blockBytes = 4 << 10
    /// Before each block in the file: where the one before it of its level lies, and its own bytes.
    private static let headBytes = 16
    /// Stands for no block.
    private static let none = UInt64.max
    /// How much is kept for no other reason than that the parents are not complete.
    static let waitingBytesMax = 1 << 20

    /// `makeFile` makes an empty file, and is called when there is too much for memory.
    init(makeFile: @escaping () throws(SyscallError) -> OwnedDescriptor) {
        self.makeFile = makeFile
    }

    /// Keeps the path of a deletion, marker included, in the directory `parent`.
    func append(_ path: RawPath, in parent: RawPath) throws(ArchiveError) {
        let slashes = parent.bytes.count { $0 == UInt8(ascii: "/") }
        let depth = parent.isEmpty ? 0 : slashes + 1
        while levels.count <= depth { levels.append(Level()) }
        levels[depth].paths.append(contentsOf: path.bytes)
        levels[depth].paths.append(0)
        byteCount += path.count + 1
        memoryBytes += path.count + 1
        if memoryBytes > Self.memoryBytesMax && levels[depth].paths.count >= Self.blockBytes {
            try attempting("keep the deletions of the layer", try putAway(depth))
        }
    }

    /// Hands the paths over, those nearer to the root first: what is deleted as a whole is gone
    /// when something in it is to be deleted.
    func visit(_ body: (RawPath) throws(ArchiveError) -> Void) throws(ArchiveError) {
        for level in levels {
            try Self.visit(level.paths, body)
            var block = level.lastBlock
            while let place = block {
                let (paths, previous) = try attempting(
                    "read the deletions of the layer", try read(at: place))
                try Self.visit(paths, body)
                block = previous
            }
        }
    }

    private static func visit(
        _ paths: [UInt8], _ body: (RawPath) throws(ArchiveError) -> Void
    ) throws(ArchiveError) {
        var rest = paths[...]
        while let end = rest.firstIndex(of: 0) {
            try body(RawPath(partOf: rest[..<end]))
            rest = rest[(end + 1)...]
        }
    }

    /// Puts the paths of a level into the file.
    private func putAway(_ depth: Int) throws(SyscallError) {
        if file == nil { file = try makeFile() }
        let paths = levels[depth].paths
        var block: [UInt8] = []
        block.reserveCapacity(Self.headBytes + paths.count)
        for number in [levels[depth].lastBlock ?? Self.none, UInt64(paths.count)] {
            for shift in stride(from: 0, to: 64, by: 8) {
                block.append(UInt8(truncatingIfNeeded: number >> UInt64(shift)))
            }
        }
        block.append(contentsOf: paths)
        try file?.write(block.span, at: fileBytes)
        levels[depth] = Level(lastBlock: fileBytes)
        fileBytes += UInt64(block.count)
        memoryBytes -= paths.count
    }

    /// Reads a block, and tells where the one before it lies.
    private func read(
        at place: UInt64
    ) throws(SyscallError) -> (paths: [UInt8], previous: UInt64?) {
        let head = try read(Self.headBytes, at: place)
        func number(_ offset: Int) -> UInt64 {
            head[offset..<(offset + 8)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        let paths = try read(Int(number(8)), at: place + UInt64(Self.headBytes))
        return (paths, number(0) == Self.none ? nil : number(0))
    }

    private func read(
        _ count: Int, at place: UInt64
    ) throws(SyscallError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = try file?.read(into: &bytes, count: count, at: place) ?? 0
        if got < count { throw SyscallError.damage("a file of deletions", "it is too short") }
        return bytes
    }
}
