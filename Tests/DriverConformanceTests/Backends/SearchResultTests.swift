// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphBtrfs
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What a search of a subvolume's tree gave, as a test writes it.
private struct ItemBytes {
    var bytes: [UInt8] = []
    var count = 0

    private static func bytes(of number: some FixedWidthInteger) -> [UInt8] {
        (0..<(type(of: number).bitWidth / 8)).map {
            UInt8(truncatingIfNeeded: number >> (8 * $0))
        }
    }

    mutating func add(_ object: UInt64, _ type: UInt32, _ offset: UInt64, _ content: [UInt8]) {
        bytes += Self.bytes(of: UInt64(77)) + Self.bytes(of: object) + Self.bytes(of: offset)
        bytes += Self.bytes(of: type) + Self.bytes(of: UInt32(content.count)) + content
        count += 1
    }

    mutating func addInode(
        _ number: UInt64, changed: UInt64, links: UInt32 = 1, mode: UInt32 = 0o100644
    ) {
        var content = Self.bytes(of: UInt64(5)) + Self.bytes(of: changed)
        content += [UInt8](repeating: 0, count: 24) + Self.bytes(of: links)
        content += [UInt8](repeating: 0, count: 8) + Self.bytes(of: mode)
        add(number, 1, 0, content + [UInt8](repeating: 0, count: 160 - content.count))
    }

    static func name(_ name: String) -> [UInt8] {
        bytes(of: UInt64(2)) + bytes(of: UInt16(name.utf8.count)) + Array(name.utf8)
    }

    static func extendedName(_ directory: UInt64, _ name: String) -> [UInt8] {
        bytes(of: directory) + self.name(name)
    }

    /// Three inodes that changed, and what lies beside them.
    static func sample() -> ItemBytes {
        var items = ItemBytes()
        items.addInode(256, changed: 9, mode: 0o040755)
        items.add(256, 12, 256, name(".."))
        items.add(256, 84, 1, [1, 2, 3])
        items.addInode(257, changed: 8)
        items.add(257, 12, 256, name("as before"))
        items.addInode(258, changed: 9, links: 4)
        items.add(258, 12, 256, name("one") + name("two"))
        items.add(258, 13, 7, extendedName(300, "three") + extendedName(301, "four"))
        items.add(258, 108, 0, [0])
        items.add(259, 12, 256, name("of an inode in an older block"))
        items.addInode(260, changed: 10)
        return items
    }
}

/// What the reader of search results promises.
@Suite struct SearchResultTests {
    private func read(
        _ bytes: [UInt8], items: Int, since transaction: UInt64 = 9
    ) throws(ArchiveError) -> [ChangedInode] {
        var reader = SearchResultReader(since: transaction)
        var inodes: [ChangedInode] = []
        _ = try reader.take(bytes.span, items: items) { inodes.append($0) }
        if let last = reader.finish() { inodes.append(last) }
        return inodes
    }

    @Test func `inodes that changed come out with their names, and no others`() throws {
        let sample = ItemBytes.sample()
        let inodes = try read(sample.bytes + [1, 2, 3], items: sample.count)
        #expect(inodes.map(\.number) == [256, 258, 260])
        #expect(inodes.map(\.isDirectory) == [true, false, false])
        #expect(inodes.map(\.links) == [1, 4, 1])
        #expect(inodes.allSatisfy { $0.madeTransaction == 5 })
        #expect(inodes[0].names.isEmpty && inodes[2].names.isEmpty)
        #expect(
            inodes[1].names == [
                InodeName(directory: 256, name: "one"), InodeName(directory: 256, name: "two"),
                InodeName(directory: 300, name: "three"), InodeName(directory: 301, name: "four"),
            ])
        #expect(try read(sample.bytes, items: sample.count, since: 11).isEmpty)
    }

    @Test func `an inode whose items come in two buffers is one`() throws {
        let (whole, first) = (ItemBytes.sample(), 7)
        var position = 0
        for _ in 0..<first { position += 32 + Int(whole.bytes[position + 28]) }
        var reader = SearchResultReader(since: 9)
        var inodes: [ChangedInode] = []
        let last = try reader.take(whole.bytes.span, items: first) { inodes.append($0) }
        #expect(last == SubvolumeItemKey(object: 258, type: 12, offset: 256))
        #expect(inodes.map(\.number) == [256])
        _ = try reader.take(Array(whole.bytes[position...]).span, items: whole.count - first) {
            inodes.append($0)
        }
        #expect(inodes.last?.names.count == 4)
    }

    @Test func `a buffer that ends early is refused, wherever it does`() {
        let sample = ItemBytes.sample()
        for count in 0..<sample.bytes.count {
            let error = #expect(throws: ArchiveError.self, "\(count) bytes") {
                try read(Array(sample.bytes[..<count]), items: sample.count)
            }
            #expect(error?.code == .malformed)
        }
    }

    @Test(arguments: ["", ".", "..", "a/b", "a\0b", String(repeating: "x", count: 256)])
    func `a name that no file has is refused`(_ name: String) {
        for type in [12, 13] as [UInt32] {
            var items = ItemBytes()
            items.addInode(257, changed: 9)
            items.add(
                257, type, 256,
                type == 12 ? ItemBytes.name(name) : ItemBytes.extendedName(256, name))
            let error = #expect(throws: ArchiveError.self) {
                try read(items.bytes, items: items.count)
            }
            #expect(error?.code == .malformed)
        }
    }

    @Test func `items that are out of order or of no size that there is are refused`() {
        var broken: [ItemBytes] = []
        let keys: [(UInt64, UInt32)] = [(257, 1), (256, 200), (258, 256), (258, .max)]
        for (object, type) in keys {
            var items = ItemBytes()
            items.addInode(257, changed: 9)
            items.add(object, type, 0, [UInt8](repeating: 0, count: 160))
            broken.append(items)
        }
        var short = ItemBytes()
        short.add(257, 1, 0, [UInt8](repeating: 0, count: 159))
        broken.append(short)
        var twice = ItemBytes()
        twice.addInode(257, changed: 9)
        twice.add(257, 1, 1, [UInt8](repeating: 0, count: 160))
        broken.append(twice)
        var long = ItemBytes()
        long.add(257, 108, 0, [UInt8](repeating: 0, count: 65_537))
        broken.append(long)
        for items in broken {
            let error = #expect(throws: ArchiveError.self) {
                try read(items.bytes, items: items.count)
            }
            #expect(error?.code == .malformed)
        }
    }
}
