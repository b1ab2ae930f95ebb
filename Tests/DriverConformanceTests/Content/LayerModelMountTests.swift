// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What a mounted stack of layers shows, judged by the reference model.
@Suite(.serialized) struct LayerModelMountTests {
    /// Built for debugging, a set takes several times as long.
    static var sets: Int {
        #if DEBUG
            return SeededGenerator.isSoak ? 1_000 : 100
        #else
            return SeededGenerator.isSoak ? 10_000 : 1_000
        #endif
    }

    @Test(arguments: DriverUnderTest.usable)
    func `random stacks of up to eight layers show what the model says`(
        _ subject: DriverUnderTest
    ) throws {
        guard subject.filesystems.contains(.tmpfs) else {
            // Each layer there is a transaction on a disk, and for devicemapper on a slow kernel.
            let part = subject.filesystems.isEmpty ? 40 : 10
            return try subject.withRoot { try run(subject, Self.sets / part, in: $0) }
        }
        // In memory: nothing here is about disks, and layers come and go by the thousand.
        try withLoopFilesystem(type: .tmpfs, size: 256 << 20) {
            try run(subject, Self.sets, in: $0)
        }
    }

    private func run(_ subject: DriverUnderTest, _ count: Int, in root: FilePath) throws {
        let store = TestStore(driver: try subject.open(root), root: root)
        let stacks = RandomStacks(store: store)
        for index in 0..<count {
            let seed = SeededGenerator.runSeed &* 1_000_003 &+ UInt64(index)
            if let failure = try stacks.failure(seed: seed) {
                Issue.record("\(failure)")
                return
            }
        }
    }
}

/// Builds stacks in a driver's store and compares what they show with what they should.
private struct RandomStacks {
    let store: TestStore
    private let isUnprivileged = ProcessInfo.processInfo.environment["GRAPH_IN_USERNS"] != nil

    init(store: TestStore) { self.store = store }

    /// Builds one stack, looks at its top and at one of the others, and removes it.
    ///
    /// - Returns: What differs, and in which layer of which seed; nil when nothing does.
    func failure(seed: UInt64) throws -> String? {
        var layers = RandomLayers(seed: seed, isUnprivileged: isUnprivileged)
        var random = SeededGenerator(seed: ~seed)
        let depth = Int.random(in: 1...8, using: &random)
        let inner = Int.random(in: 1...depth, using: &random)
        var stack: [LayerNumber] = []
        defer {
            for layer in stack { try? store.driver.remove(layer) }
            _ = try? store.driver.reclaim(observer: .none)
        }
        for level in 1...depth {
            let number = LayerNumber(rawValue: UInt32(level))
            let members = layers.next()
            let parents = stack
            stack.insert(number, at: 0)
            try store.apply(number, parents: parents) { target in
                let source = MemorySource(try LayerTar.bytes(of: members))
                _ = try unpackLayer(from: source, into: target)
            }
            guard level == inner || level == depth else { continue }
            let shown = try listing(of: number, parents: parents)
            if let difference = difference(shown, layers.model.listing(), members) {
                return "seed \(seed), layer \(level) of \(depth)\n\(difference)"
            }
        }
        // Building on a layer has not changed it: the one in the middle is looked at again.
        if depth > 2, let failure = try changedParent(stack, seed) { return failure }
        return nil
    }

    /// Looks again at the base, which everything above shares.
    private func changedParent(_ stack: [LayerNumber], _ seed: UInt64) throws -> String? {
        guard let base = stack.last else { return nil }
        var layers = RandomLayers(seed: seed, isUnprivileged: isUnprivileged)
        let members = layers.next()
        let shown = try listing(of: base, parents: [])
        return difference(shown, layers.model.listing(), members)
            .map { "seed \(seed), the base after all layers\n\($0)" }
    }

    /// What the mounted layer shows, read as a plain tree.
    private func listing(
        of layer: LayerNumber, parents: [LayerNumber]
    ) throws -> [String] {
        try store.withTree(of: layer, parents: parents) { place in
            let tree = LayeredTree(layers: [try Directory(opening: place)], whiteouts: .plain)
            return try LayerTar.listing(of: tree)
        }
    }

    private func difference(
        _ found: [String], _ wanted: [String], _ members: [LayerMember]
    ) -> String? {
        if found == wanted { return nil }
        let (extra, missing) = (Set(found).subtracting(wanted), Set(wanted).subtracting(found))
        let layer = members.map { describe($0.entry, $0.entry.path, content: [], leader: "") }
        return """
            found:\n\(extra.sorted().joined(separator: "\n"))
            wanted:\n\(missing.sorted().joined(separator: "\n"))
            layer:\n\(layer.joined(separator: "\n"))
            """
    }
}
