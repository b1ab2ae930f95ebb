// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import Testing

/// The same archives give the same layers: whenever they are unpacked, whatever keeps them.
@Suite struct CanonicalDigestTests {
    private static var stacks: Int { SeededGenerator.isSoak ? 500 : 15 }

    /// What came of two layers.
    private struct Outcome: Hashable {
        var digests: [Digest] = []
        /// Of every path of the upper one's tree.
        var times: [RawPath: Timestamp] = [:]
    }

    @Test func `deep directories have their times and one digest on every driver`() throws {
        for index in 0..<Self.stacks {
            let seed = SeededGenerator.runSeed &* 1_000_003 &+ UInt64(index)
            let (layers, times) = try Self.layers(seed)
            var digests: Set<[Digest]> = []
            for subject in DriverUnderTest.usable {
                let outcome = try Self.apply(layers, on: subject)
                let wrong = outcome.times.filter { times[$0.key] != $0.value }.keys.sorted()
                #expect(wrong.isEmpty, "\(subject), seed \(seed): \(wrong.prefix(3))")
                #expect(outcome.times.count == times.count, "\(subject), seed \(seed)")
                digests.insert(outcome.digests)
            }
            #expect(digests.count <= 1, "seed \(seed): the drivers do not agree")
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `twenty times the same archives give one digest`(_ subject: DriverUnderTest) throws {
        let seed = SeededGenerator.runSeed &* 7_000_003
        let (layers, _) = try Self.layers(seed)
        var digests: Set<[Digest]> = []
        for _ in 0..<20 { digests.insert(try Self.apply(layers, on: subject).digests) }
        #expect(digests.count == 1, "seed \(seed)")
    }

    /// A hard link looks up its target after its own directory, and here all directories on the way
    /// to that are more than are remembered.
    @Test(arguments: DriverUnderTest.usable)
    func `a link to a target far down leaves its directory's time`(
        _ subject: DriverUnderTest
    ) throws {
        let time = Timestamp(seconds: 1_000_000_000)
        func member(_ path: RawPath, _ kind: ArchiveEntry.Kind) -> LayerMember {
            LayerMember(ArchiveEntry(path: path, kind: kind, permissions: 0o755, modified: time))
        }
        let target = RawPath(joining: (0..<200).map { _ in "d" as RawPath }).appending("file")
        // So many others in between that nothing of the way to the target is remembered.
        let others = (0..<100).map { member(RawPath("other-\($0)/file"), .file(size: 0)) }
        let members =
            [member(target, .file(size: 0))] + others
            + [member("links", .directory), member("links/first", .hardLink(target: target))]
        let outcome = try Self.apply([try LayerTar.bytes(of: members)], on: subject)
        #expect(outcome.times["links"] == time)
        #expect(outcome.times.values.allSatisfy { $0 == time })
    }

    private static func layers(
        _ seed: UInt64
    ) throws -> (tars: [[UInt8]], times: [RawPath: Timestamp]) {
        var layers = DeepLayers(seed: seed)
        let tars = try (0..<2).map { _ in try LayerTar.bytes(of: layers.next()) }
        return (tars, layers.times)
    }

    private static func apply(
        _ tars: [[UInt8]], on subject: DriverUnderTest
    ) throws -> Outcome {
        try subject.withDriver { store in
            var outcome = Outcome()
            var parents: [LayerNumber] = []
            for (index, tar) in tars.enumerated() {
                let layer = LayerNumber(rawValue: UInt32(index + 1))
                try store.apply(layer, parents: parents) { target in
                    _ = try unpackLayer(from: MemorySource(tar), into: target)
                }
                let diff = try store.driver.diffSource(
                    of: layer, parents: parents, from: parents.first,
                    baseParents: Array(parents.dropFirst()))
                outcome.digests.append(Digest.of(try Self.tar(of: diff)))
                parents.insert(layer, at: 0)
            }
            let whole = try store.driver.diffSource(
                of: parents[0], parents: Array(parents.dropFirst()), from: nil, baseParents: [])
            for member in try LayerTar.members(of: try Self.tar(of: whole)) {
                let path = RawPath(joining: member.entry.path.components)
                if path != "." { outcome.times[path] = member.entry.modified }
            }
            return outcome
        }
    }

    /// The canonical tar.
    private static func tar(of diff: DiffSource) throws -> [UInt8] {
        let sink = MemorySink()
        try writeTreeDiff(diff, to: sink)
        return sink.bytes
    }
}
