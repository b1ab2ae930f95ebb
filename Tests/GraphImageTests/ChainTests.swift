// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Dispatch
import Foundation
import GraphArchive
import GraphCore
import GraphStore
import GraphSystem
import GraphTestSupport
import Logging
import Synchronization
import SystemPackage
import Testing

/// What applying the layers of a chain together promises.
@Suite(.serialized) struct ChainTests {
    @Test(arguments: DriverUnderTest.usable)
    func `layers applied together are those that are applied one after the other`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withRoot { root in
            let serial = try Self.store(subject, at: root.appending("serial"))
            let together = try Self.store(subject, at: root.appending("together"))
            for index in 0..<UInt64(SeededGenerator.isSoak ? 1_000 : 30) {
                let seed = SeededGenerator.runSeed &* 7_919 &+ index
                let tars = try Self.tars(seed: seed)
                var one: [AppliedLayer] = []
                for tar in tars {
                    let parent = one.last?.layer.id
                    one.append(try serial.apply(MemorySource(tar), parent: parent))
                }
                let all = try together.apply(chain: Self.chain(tars, seed: seed))
                #expect(all.map { Facts($0.layer) } == one.map { Facts($0.layer) })
                for layer in all.map(\.layer) {
                    let canonical = try serial.writeDiff(of: layer.id, .canonical, to: Sink())
                    #expect(
                        try together.writeDiff(of: layer.id, .canonical, to: Sink()).digest
                            == canonical.digest, "seed \(seed)")
                    #expect(
                        try together.writeDiff(of: layer.id, to: Sink()).digest == layer.diffID)
                }
                #expect(try together.check(deep: true).isEmpty)
                for store in [serial, together] { try Self.clear(store) }
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable, [0, 2, 4])
    func `of a chain with a wrong layer nothing is left`(
        _ subject: DriverUnderTest, _ wrong: Int
    ) throws {
        try subject.withRoot { root in
            let store = try Self.store(subject, at: root.appending("store"))
            var chain = try (0..<5).map { index in
                let tar = try Self.tar(RawPath("file\(index)"), 300_000)
                return ChainLayer(diffID: Digest.of(tar)) { () throws(DriverError) in
                    MemorySource(tar)
                }
            }
            let other = try Self.tar("other", 10)
            chain[wrong] = ChainLayer(diffID: chain[wrong].diffID) { () throws(DriverError) in
                MemorySource(other)
            }
            let error = #expect(throws: DriverError.self) { try store.apply(chain: chain) }
            #expect(error?.code == .digestMismatch)
            #expect(try store.layers().isEmpty)
            #expect(try store.check(deep: true).isEmpty)
        }
    }

    @Test func `of two that apply the same chain both get it, and the store has it once`() throws {
        try withScratchRoot { root in
            let subject = try #require(DriverUnderTest.usable.first)
            for index in 0..<UInt64(20) {
                let tars = try Self.tars(seed: 40 + index)
                let place = root.appending("\(index)")
                let stores = try (0..<2).map { _ in try Self.store(subject, at: place) }
                let results = Mutex<[Result<[AppliedLayer], any Error>]>([])
                DispatchQueue.concurrentPerform(iterations: 2) { side in
                    let result = Result {
                        try stores[side].apply(chain: Self.chain(tars, seed: index &+ UInt64(side)))
                    }
                    results.withLock { $0.append(result) }
                }
                let both = try results.withLock { try $0.map { try $0.get().map(\.layer) } }
                #expect(both[0].map(\.id) == both[1].map(\.id))
                #expect(try stores[0].layers().map(\.id) == both[0].map(\.id))
                #expect(try stores[0].check(deep: true).isEmpty)
            }
        }
    }

    @Test func `an apply of a chain stops when its caller says so`() throws {
        try withScratchRoot { root in
            let subject = try #require(DriverUnderTest.usable.first)
            let store = try Self.store(subject, at: root)
            let tars = try (0..<4).map { try Self.tar(RawPath("file\($0)"), 2_000_000) }
            let asked = Atomic<Int>(0)
            let observer = WorkObserver(
                isCancelled: { asked.add(1, ordering: .relaxed).newValue > 5 })
            let error = #expect(throws: DriverError.self) {
                try store.apply(chain: Self.chain(tars, seed: 1), observer: observer)
            }
            #expect(error?.code == .cancelled)
            #expect(try store.layers().isEmpty)
            #expect(try store.check(deep: true).isEmpty)
        }
    }

    // MARK: What the tests work with

    /// What must not depend on how a layer was applied.
    private struct Facts: Equatable {
        let id: String
        let parent: String?
        let depth: Int
        let digests: [Digest?]
        let diffBytes: UInt64?
        let inodes: UInt64?

        init(_ layer: Layer) {
            (id, parent, depth) = (layer.id, layer.parent, layer.depth)
            digests = [layer.diffID, layer.chainID]
            (diffBytes, inodes) = (layer.diffBytes, layer.usage?.inodes)
        }
    }

    private static func store(
        _ subject: DriverUnderTest, at root: FilePath
    ) throws -> LayerStore {
        let type = subject.type
        return try LayerStore(
            LayerStore.Configuration(
                root: root.appending("root"), runRoot: root.appending("run"),
                driver: subject.name, durability: .unsynced,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }),
            drivers: [type], chooseDriver: { (_) throws(DriverError) in type })
    }

    private static func clear(_ store: LayerStore) throws {
        for layer in try store.layers().reversed() { _ = try store.remove(layer.id) }
        try store.reclaim(observer: .none)
    }

    /// A stack of up to six layers that delete, replace and link to what the layers below have.
    private static func tars(seed: UInt64) throws -> [[UInt8]] {
        var layers = RandomLayers(
            seed: seed,
            isUnprivileged: ProcessInfo.processInfo.environment["GRAPH_IN_USERNS"] != nil)
        var random = SeededGenerator(seed: ~seed)
        return try (0..<Int(2 + seed % 5)).map { _ in
            var members = layers.next()
            if random.chance(30) {
                let root = ArchiveEntry(
                    path: "./", kind: .directory,
                    permissions: [0o755, 0o700, 0o1777].randomElement(using: &random) ?? 0,
                    uid: UInt32.random(in: 0...3, using: &random),
                    modified: Timestamp(seconds: Int64.random(in: 1...99, using: &random)))
                members.insert(LayerMember(root), at: members.indices.randomElement() ?? 0)
            }
            return try LayerTar.bytes(of: members)
        }
    }

    private static func tar(_ name: RawPath, _ size: Int) throws -> [UInt8] {
        try LayerTar.bytes(of: [
            LayerMember(
                ArchiveEntry(path: name, kind: .file(size: UInt64(size)), permissions: 0o644),
                content: [UInt8](repeating: 7, count: size))
        ])
    }

    /// The lower a layer, the longer it keeps those above it waiting.
    private static func chain(_ tars: [[UInt8]], seed: UInt64) -> [ChainLayer] {
        tars.enumerated().map { index, tar in
            let delay = UInt32(seed % 3) * 400 * UInt32(tars.count - index)
            return ChainLayer(diffID: Digest.of(tar)) { () throws(DriverError) in
                LateSource(MemorySource(tar), microseconds: delay)
            }
        }
    }
}

/// Waits before each reading.
private final class LateSource: ByteSource {
    private let source: MemorySource
    private let microseconds: UInt32

    init(_ source: MemorySource, microseconds: UInt32) {
        (self.source, self.microseconds) = (source, microseconds)
    }

    func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        usleep(microseconds)
        return try source.read(into: &buffer)
    }
}

/// Forgets what it gets.
private final class Sink: ByteSink {
    func write(_ bytes: Span<UInt8>) throws(ArchiveError) {}
    func finish() throws(ArchiveError) {}
}
