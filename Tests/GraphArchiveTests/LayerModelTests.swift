// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Unpacking, merging and comparing agree with the reference model, without any mount.
@Suite struct LayerModelTests {
    /// A directory for one set of layers, removed at the end.
    private func withDirectory(
        below base: FilePath, _ body: (FilePath, Directory) throws -> Void
    ) throws {
        let path = base.appending("model-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            atPath: path.string, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path.string) }
        try body(path, try Directory(opening: path))
    }

    private func makeDirectory(_ name: String, in directory: Directory) throws -> Directory {
        try directory.makeDirectory(RawPath(name), permissions: 0o755)
        return try directory.openDirectory(RawPath(name))
    }

    private func unpack(_ members: [LayerMember], into target: ApplyTarget) throws {
        _ = try unpackLayer(from: MemorySource(try LayerTar.bytes(of: members)), into: target)
    }

    /// Built for debugging, a set takes ten times as long.
    static var sets: Int {
        #if DEBUG
            return SeededGenerator.isSoak ? 1_000 : 100
        #else
            return SeededGenerator.isSoak ? 10_000 : 1_000
        #endif
    }

    @Test func `random stacks of layers merge as the model says`() throws {
        // In memory: a disk's time would be most of it, and is no part of what is promised here.
        try withLoopFilesystem(type: .tmpfs, size: 1 << 30) { memory in
            for index in 0..<Self.sets {
                try mergeStack(seed: SeededGenerator.runSeed &* 1_000_003 &+ UInt64(index), memory)
            }
        }
    }

    private func mergeStack(seed: UInt64, _ base: FilePath) throws {
        try withDirectory(below: base) { path, directory in
            var layers = RandomLayers(seed: seed)
            var stack: [Directory] = []
            let plain = try makeDirectory("plain", in: directory)
            for level in 0..<(1 + Int(seed % 8)) {
                let members = layers.next()
                let upper = try makeDirectory("\(level)", in: directory)
                try unpack(
                    members,
                    into: ApplyTarget(
                        directory: upper, namespace: .trusted,
                        lower: LayeredTree(layers: stack, whiteouts: .overlay(.trusted))))
                let below = stack
                stack.insert(upper, at: 0)
                let overlaid = LayeredTree(layers: stack, whiteouts: .overlay(.trusted))
                try requireSame(
                    try LayerTar.listing(of: overlaid), layers.model.listing(),
                    "seed \(seed), layer \(level)", members)
                // The same layer, executed on a whole tree.
                let stage = try makeDirectory("stage-\(level)", in: directory)
                let tree = LayeredTree(layers: [plain], whiteouts: .plain)
                let before = try makeCopy(of: tree, "before-\(level)", in: directory)
                try unpack(
                    members,
                    into: ApplyTarget(stage: stage, namespace: .trusted, lower: tree))
                try mergeStage(stage, .trusted, into: plain)
                try requireSame(
                    try LayerTar.listing(of: tree), layers.model.listing(),
                    "seed \(seed), layer \(level), executed", members)
                try checkDiffs(
                    DiffSource(
                        old: LayeredTree(layers: below, whiteouts: .overlay(.trusted)),
                        new: overlaid),
                    DiffSource(old: before, new: tree), "seed \(seed), layer \(level)", path)
            }
        }
    }

    /// Fails with the lines that differ and the layer that made them.
    private func requireSame(
        _ found: [String], _ wanted: [String], _ what: String, _ members: [LayerMember]
    ) throws {
        if found == wanted { return }
        let (extra, missing) = (Set(found).subtracting(wanted), Set(wanted).subtracting(found))
        let layer = members.map {
            "  \(describe($0.entry, $0.entry.path, content: [], leader: ""))"
        }
        Issue.record(
            """
            \(what)
            found:\n\(extra.sorted().joined(separator: "\n"))
            wanted:\n\(missing.sorted().joined(separator: "\n"))
            layer:\n\(layer.joined(separator: "\n"))
            """)
        throw CancellationError()
    }

    /// A whole tree with the content of another.
    private func makeCopy(
        of tree: LayeredTree, _ name: String, in directory: Directory
    ) throws -> LayeredTree {
        let copy = try makeDirectory(name, in: directory)
        let sink = MemorySink()
        try writeTreeDiff(DiffSource(old: .empty, new: tree), to: sink)
        _ = try unpackLayer(
            from: MemorySource(sink.bytes),
            into: ApplyTarget(directory: copy, namespace: .trusted, lower: .empty))
        return LayeredTree(layers: [copy], whiteouts: .plain)
    }

    /// The diff of layers that share their bottom and the diff of two whole trees are the same
    /// bytes, and applied to the tree before they give the tree after.
    private func checkDiffs(
        _ layered: DiffSource, _ whole: DiffSource, _ what: String, _ base: FilePath
    ) throws {
        let (first, second) = (MemorySink(), MemorySink())
        try writeTreeDiff(layered, to: first)
        try writeTreeDiff(whole, to: second)
        // Apart from the root's time, which the two trees do not share when it is written.
        try #require(
            try LayerTar.members(of: first.bytes).filter { $0.entry.path != "./" }
                == LayerTar.members(of: second.bytes).filter { $0.entry.path != "./" },
            "\(what), diff")
        try #require(try treeChanges(layered) == treeChanges(whole), "\(what), changes")
        guard let before = whole.old.layers.first else { return }
        try withDirectory(below: base) { _, directory in
            let stage = try makeDirectory("again", in: directory)
            _ = try unpackLayer(
                from: MemorySource(first.bytes),
                into: ApplyTarget(stage: stage, namespace: .trusted, lower: whole.old))
            try mergeStage(stage, .trusted, into: before)
            try requireSame(
                try LayerTar.listing(of: LayeredTree(layers: [before], whiteouts: .plain)),
                try LayerTar.listing(of: whole.new), "\(what), round trip",
                try LayerTar.members(of: first.bytes))
        }
    }
}
