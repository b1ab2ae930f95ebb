// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
import GraphSystem

/// Layer tars in memory.
package enum LayerTar {
    /// Writes members as a tar.
    package static func bytes(of members: [LayerMember]) throws(ArchiveError) -> [UInt8] {
        let sink = MemorySink()
        var writer = TarWriter(sink)
        for member in members {
            var entry = member.entry
            if case .file = entry.kind { entry.kind = .file(size: UInt64(member.content.count)) }
            try writer.begin(entry)
            if case .file = entry.kind { try writer.write(member.content.span) }
            try writer.finishEntry()
        }
        try writer.finish()
        return sink.bytes
    }

    /// Reads a tar back.
    package static func members(of bytes: [UInt8]) throws(ArchiveError) -> [LayerMember] {
        var reader = TarReader(MemorySource(bytes))
        var members: [LayerMember] = []
        while let entry = try reader.next() {
            var content: [UInt8] = []
            try reader.readData { (offset, bytes) throws(ArchiveError) in
                while content.count < offset { content.append(0) }
                for index in bytes.indices { content.append(bytes[index]) }
            }
            members.append(LayerMember(entry, content: content))
        }
        return members
    }

    /// Everything in a tree, as ``ReferenceModel/listing()`` tells it, read through its canonical
    /// tar.
    ///
    /// The root is left out.
    package static func listing(of tree: LayeredTree) throws(ArchiveError) -> [String] {
        let sink = MemorySink()
        try writeTreeDiff(DiffSource(old: .empty, new: tree), to: sink)
        let members = try members(of: sink.bytes)
        var files: [RawPath: LayerMember] = [:]
        var lines: [(RawPath, String)] = []
        for member in members {
            let path = member.entry.path.components.reduce("" as RawPath) { $0.appending($1) }
            if path == "." { continue }
            files[path] = member
            var (shown, leader) = (member, path)
            if case .hardLink(let target) = member.entry.kind, let first = files[target] {
                (shown, leader) = (first, target)
            }
            lines.append(
                (path, describe(shown.entry, path, content: shown.content, leader: leader)))
        }
        return lines.sorted { $0.0 < $1.0 }.map(\.1)
    }
}
