// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphBtrfs
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What the btrfs driver promises about differences that the kernel tells.
@Suite(.serialized, .usable("btrfs")) struct BtrfsDiffTests {
    private let subject = DriverUnderTest(BtrfsDriver.self)

    /// All that a comparison gives: the changes, and the digest of the tar or why there is none.
    private struct Outcome: Equatable {
        let changes: [String]
        let tar: String
    }

    private func outcome(_ source: DiffSource) throws -> Outcome {
        let sink = MemorySink()
        let result = Result { () throws(ArchiveError) in
            try writeTreeDiff(source, to: sink)
        }
        let tar: String
        switch result {
        case .success: tar = Digest.of(sink.bytes).hex
        case .failure(let error):
            // Such as a name that begins as deletions do.
            if error.code != .unsupported { throw error }
            tar = error.description
        }
        return Outcome(changes: try treeChanges(source).map(\.description), tar: tar)
    }

    /// The differences of a layer, told by the kernel or not, which must be those of a comparison.
    @discardableResult
    private func checked(
        _ store: TestStore, _ layer: LayerNumber, _ parents: [LayerNumber],
        from base: LayerNumber, _ baseParents: [LayerNumber], seed: String = ""
    ) throws -> DiffSource {
        let source = try store.driver.diffSource(
            of: layer, above: parents, from: base, above: baseParents)
        let whole = DiffSource(old: source.old, new: source.new)
        let (found, expected) = (try outcome(source), try outcome(whole))
        if found != expected {
            let missing = Set(expected.changes).subtracting(found.changes).sorted()
            let extra = Set(found.changes).subtracting(expected.changes).sorted()
            Issue.record("\(seed) missing \(missing), too many \(extra), \(found.tar)")
        }
        return source
    }

    private func tree(_ store: TestStore, _ layer: LayerNumber) -> FilePath {
        store.root.appending("btrfs/\(layer)/tree/root")
    }

    @Test func `what the kernel tells and what a comparison finds are the same, at random`() throws
    {
        let seed = SeededGenerator.runSeed
        let rounds = SeededGenerator.isSoak ? 10_000 : 120
        print("changes on btrfs: GRAPH_TEST_SEED=\(seed), \(rounds) rounds")
        try subject.withDriver { store in
            var random = SeededGenerator(seed: seed)
            var chain: [LayerNumber] = []
            for round in 0..<rounds {
                let layer = LayerNumber(rawValue: UInt32(round + 1))
                // A new beginning now and then, since small changes alone lead to odd trees.
                if round % 50 == 0 {
                    for old in chain { try store.driver.remove(old) }
                    try store.driver.reclaim(observer: .none)
                    chain = []
                }
                try store.create(layer, above: chain)
                var changes = try RandomChanges(below: tree(store, layer), random: random)
                let count = Int.random(in: 1...(round % 5 == 0 ? 60 : 12), using: &random)
                if chain.isEmpty { try changes.fill(count: 200) }
                random = try changes.change(times: count)
                try check(store, layer, chain, &random, seed: "seed \(seed) round \(round):")
                chain.insert(layer, at: 0)
            }
        }
    }

    private func check(
        _ store: TestStore, _ layer: LayerNumber, _ chain: [LayerNumber],
        _ random: inout SeededGenerator, seed: String
    ) throws {
        if let parent = chain.first, random.chance(40) {
            // By a snapshot, which is gone afterwards.
            let source = try checked(
                store, layer, chain, from: parent, Array(chain.dropFirst()), seed: seed)
            #expect(source.changedPaths != nil, "\(source.note ?? "")")
            #expect(try !store.root.names.contains { $0.hasPrefix(".") })
        }
        try store.driver.seal(layer, above: chain, durability: .unsynced)
        guard
            let distance = chain.indices.prefix(random.chance(70) ? 1 : 5).randomElement(
                using: &random)
        else { return }
        let (base, below) = (chain[distance], Array(chain[(distance + 1)...]))
        let source = try checked(store, layer, chain, from: base, below, seed: seed)
        #expect(source.changedPaths != nil, "\(source.note ?? "")")
        guard random.chance(20) else { return }
        let back = try checked(store, base, below, from: layer, chain, seed: seed + " back")
        #expect(back.changedPaths != nil, "\(back.note ?? "")")
    }
}
