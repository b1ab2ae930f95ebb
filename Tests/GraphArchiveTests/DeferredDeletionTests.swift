// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphSystem
import GraphTestSupport
import Testing

/// Deletions that wait for the end of an archive are carried out however many there are.
@Suite struct DeferredDeletionTests {
    /// Directories of long names, some in others, with a file in each.
    private static let directories: [RawPath] = (0..<120).flatMap { number in
        let name = RawPath(String(repeating: "n", count: 240) + "\(number)")
        return (1...12).map { RawPath(joining: Array(repeating: name, count: $0)) }
    }

    private func member(_ path: RawPath, _ kind: ArchiveEntry.Kind) -> LayerMember {
        LayerMember(ArchiveEntry(path: path, kind: kind, permissions: 0o755))
    }

    @Test(arguments: [false, true])
    func `more deletions than are held in memory, in any order`(_ isReversed: Bool) throws {
        try withScratchRoot { path in
            let directory = try Directory(opening: path)
            func unpack(
                _ members: [LayerMember], _ name: RawPath, above lower: [Directory]
            ) throws -> Directory {
                try directory.makeDirectory(name, permissions: 0o755)
                let target = ApplyTarget(
                    directory: try directory.openDirectory(name), namespace: .trusted,
                    lower: LayeredTree(layers: lower, whiteouts: .overlay(.trusted)))
                _ = try unpackLayer(
                    from: MemorySource(try LayerTar.bytes(of: members)), into: target)
                return target.directory
            }
            let lower = try unpack(
                Self.directories.map { member($0.appending("file"), .file(size: 0)) }, "lower",
                above: [])
            // Two deletions a directory, of which one means nothing; and one directory goes whole.
            var deletions = Self.directories.flatMap {
                [$0.appending(".wh.file"), $0.appending(".wh.nothing")]
            }
            let first = Self.directories[0]
            deletions.append(RawPath(".wh.").joined(first))
            #expect(deletions.reduce(0) { $0 + $1.count } > 4 << 20)
            if isReversed { deletions.reverse() }
            let upper = try unpack(
                deletions.map { member($0, .file(size: 0)) }, "upper", above: [lower])
            let tree = LayeredTree(layers: [upper, lower], whiteouts: .overlay(.trusted))
            let found = try treeChanges(DiffSource(old: .empty, new: tree)).map(\.path)
            let below = first.appending("")
            let wanted = Self.directories.filter { $0 != first && !$0.hasPrefix(below) }
            #expect(found == wanted.sorted())
            // A directory that is deleted whole is not made for what was deleted in it.
            #expect(try upper.status(of: first).isWhiteoutDevice)
        }
    }
}
