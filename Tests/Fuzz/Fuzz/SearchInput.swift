// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphBtrfs
import GraphSystem

/// Buffers of search results: how many items each has, and where the next begins.
struct SearchInput {
    private let transaction: UInt64
    private let items: Int
    private let buffers: [[UInt8]]

    /// The first bytes tell the transaction, the items of a buffer and its size.
    init(_ bytes: [UInt8]) {
        let head = (bytes + [0, 0, 0]).prefix(3).map(Int.init)
        transaction = UInt64(head[0] & 15)
        items = head[1]
        let size = head[2] < 128 ? .max : (head[2] - 127) * 64
        var buffers: [[UInt8]] = []
        var rest = bytes.dropFirst(3)
        while !rest.isEmpty {
            buffers.append(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        self.buffers = buffers
    }

    func read() throws(ArchiveError) {
        var reader = SearchResultReader(since: transaction)
        var last: UInt64?
        var found: [ChangedInode] = []
        for buffer in buffers {
            let key = try reader.take(buffer.span, items: items) { found.append($0) }
            if items > 0 { precondition(key != nil, "items without a key") }
        }
        if let inode = reader.finish() { found.append(inode) }
        for inode in found {
            precondition(last.map { $0 < inode.number } ?? true, "an inode twice")
            last = inode.number
            precondition(!inode.isDirectory || inode.names.isEmpty, "a name of a directory")
            for name in inode.names {
                precondition(
                    !name.name.isEmpty && name.name.count < 256 && name.name != "."
                        && name.name != ".." && name.name.components.count == 1,
                    "a name that no file has")
            }
        }
    }
}
