// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import Synchronization

/// What `owners.lock` tells of the records, beside them: how many changes they had when a result was
/// last put on disk, and which file `graph.db` was then.
///
/// SQLite takes a log that is missing, cut or damaged for one that ends there, and an older copy of a
/// file for the file: it opens without a word, and the records are those of some time before. Whoever
/// reads fewer changes than are told here knows that records were lost. The mark is written after its
/// transaction and never synced: it may lag behind the records, and is never ahead of them.
///
/// The file has 64 slots of 32 bytes, numbers with the lowest byte first: the number of changes, the
/// first half of the store's id, what tells the file, and a checksum. A mark goes into the slot of its
/// number modulo 64, so that of two processes none overwrites the other's.
final class RecordMark: Sendable {
    /// One mark.
    struct Value: Hashable, Sendable {
        let changes: UInt64
        let store: UInt64
        /// What tells `graph.db` as it is from what it was before a checkpoint, and from other files.
        let file: UInt64
    }

    static let slotCount = 64
    static let slotBytes = 32

    private let directory: Directory
    private let store: UInt64
    private let file = Mutex<OwnedDescriptor?>(nil)

    /// The marks of a store in its root, which stays open.
    init(in directory: Directory, storeID: String) {
        self.directory = directory
        store = Self.store(storeID)
    }

    private static func store(_ storeID: String) -> UInt64 {
        UInt64(storeID.prefix(16), radix: 16) ?? 0
    }

    // MARK: Reading

    /// All marks in a file, of whatever store; none where it has none.
    static func all(in file: borrowing OwnedDescriptor) throws(SyscallError) -> [Value] {
        var bytes = [UInt8](repeating: 0, count: slotCount * slotBytes)
        let count = try file.read(into: &bytes, count: bytes.count, at: 0)
        return (0..<count / slotBytes).compactMap { value(in: bytes, slot: $0) }
    }

    private static func value(in bytes: [UInt8], slot: Int) -> Value? {
        func word(_ index: Int) -> UInt64 {
            let start = slot * slotBytes + index * 8
            return (0..<8).reduce(0) { $0 | UInt64(bytes[start + $1]) << UInt64(8 * $1) }
        }
        let value = Value(changes: word(0), store: word(1), file: word(2))
        let isIts = value.changes > 0 && Int(value.changes % UInt64(slotCount)) == slot
        return isIts && word(3) == checksum(of: value) ? value : nil
    }

    /// The last mark of a store.
    static func last(of storeID: String, in marks: [Value]) -> Value? {
        let store = store(storeID)
        return marks.filter { $0.store == store }.max { $0.changes < $1.changes }
    }

    /// What tells a file by what is known about it: its inode, its size and when it was last written.
    static func identity(of status: FileStatus) -> UInt64 {
        mix([
            status.inode, status.size, UInt64(bitPattern: status.modified.seconds),
            UInt64(status.modified.nanoseconds),
        ])
    }

    private static func checksum(of value: Value) -> UInt64 {
        mix([value.changes, value.store, value.file])
    }

    /// FNV-1a over words, stirred: this guards against garbage, not against people.
    private static func mix(_ words: [UInt64]) -> UInt64 {
        words.reduce(0xCBF2_9CE4_8422_2325) { hash, word in
            let mixed = (hash ^ word) &* 0x0000_0100_0000_01B3
            return mixed ^ (mixed >> 29)
        }
    }

    // MARK: Writing

    /// Marks that the records have this many changes, and `graph.db` as it is now; two calls.
    ///
    /// Where it fails, the mark lags behind: that only sees less.
    func write(changes: UInt64) {
        do throws(SyscallError) {
            let database = try directory.status(of: "graph.db")
            let value = Value(
                changes: changes, store: store, file: Self.identity(of: database))
            var bytes: [UInt8] = []
            for word in [value.changes, value.store, value.file, Self.checksum(of: value)] {
                for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> (8 * shift))) }
            }
            let offset = changes % UInt64(Self.slotCount) * UInt64(Self.slotBytes)
            try file.withLock { file throws(SyscallError) in
                if file == nil {
                    file = try directory.open(
                        "owners.lock", [.readWrite, .create], permissions: 0o600)
                }
                try file?.write(bytes.span, at: offset)
            }
        } catch {
            // See above.
        }
    }
}
