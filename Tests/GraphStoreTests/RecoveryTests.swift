// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphCore
import GraphSQLite
import GraphStore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What becomes of what dead processes and power cuts leave.
@Suite struct RecoveryTests {
    /// An owner number that nobody locks.
    private static let dead: Int64 = 4_711

    @Test(arguments: ["creating", "removing"])
    func `an operation cut off leaves no layer`(_ state: String) throws {
        let fixture = try StoreFixture()
        try makeUnfinished(fixture, state)
        #expect(try fixture.layersOnDisk() == ["1"])
        let store = try fixture.open()
        #expect(try store.layers().isEmpty)
        #expect(try fixture.layersOnDisk().isEmpty)
        #expect(try store.check().isEmpty)
        #expect(try store.create(id: "left").number == 2)
    }

    @Test func `a commit cut off leaves an active layer`() throws {
        let fixture = try StoreFixture()
        try makeUnfinished(fixture, "committing")
        let store = try fixture.open()
        #expect(try store.layer("left").kind == .active)
        #expect(try store.commit("left").kind == .committed)
    }

    @Test func `a store that is open frees the ids of processes that died since`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        _ = try store.create(id: "left")
        try cutOff(fixture, "creating")
        #expect(try store.check().map(\.kind) == [.interruptedOperation])
        #expect(try store.create(id: "left").number == 2)
        #expect(try fixture.layersOnDisk() == ["2"])
    }

    @Test func `freeing an id of a process that died keeps the layer that it was committing`()
        throws
    {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        for id in ["left", "kept"] { _ = try store.create(id: id) }
        try fixture.tamper(
            """
            UPDATE layers SET owner = \(Self.dead),
                state = CASE id WHEN 'left' THEN 'creating' ELSE 'committing' END
            """)
        #expect(try store.create(id: "left").number == 3)
        #expect(try store.commit("kept").kind == .committed)
        #expect(try fixture.layersOnDisk() == ["2", "3"])
    }

    @Test func `a commit cut off is taken up while the store is open`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        _ = try store.create(id: "left")
        try cutOff(fixture, "committing")
        #expect(try store.commit("left").kind == .committed)
        try fixture.tamper("UPDATE layers SET kind = 'active' WHERE number = 1")
        try cutOff(fixture, "committing")
        try store.remove("left")
        #expect(try store.layers().isEmpty)
    }

    @Test func `what a living process makes is left alone`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let gate = Gate()
        let source = GatedSource(try StoreFixture.tar("file", "content"), gate)
        let apply = Task.detached { try store.apply(source, id: "slow") }
        gate.waitUntilReached()
        let second = try fixture.open()
        #expect(try second.collectGarbage().isEmpty)
        #expect(try second.layers().isEmpty)
        expect(.layerExists) { () throws(DriverError) in try second.create(id: "slow") }
        // Nobody waits for it.
        _ = try second.create(id: "quick")
        gate.open()
        let applied = try wait(for: apply)
        #expect(applied.layer.id == "slow")
        #expect(try second.check(deep: true).isEmpty)
    }

    @Test
    func `what was being made when the power was cut goes with the first opening after a start`()
        throws
    {
        let fixture = try StoreFixture()
        let first = try fixture.open()
        _ = try first.create(id: "kept")
        try makeLayerDirectory(fixture, "7", permissions: 0o1755)
        let store = try fixture.open()
        let findings = try store.check()
        #expect(findings.map(\.kind) == [.unownedLayer] && findings[0].subject == "folder/7")
        #expect(try store.collectGarbage(dryRun: true) == findings)
        #expect(try fixture.layersOnDisk() == ["1", "7"])
        try restart(fixture)
        _ = try fixture.open()
        #expect(try fixture.layersOnDisk() == ["1"])
        #expect(try fixture.open().check().isEmpty)
    }

    @Test func `a removed layer whose removal a power cut took back goes, too`() throws {
        let fixture = try StoreFixture()
        let first = try fixture.open()
        for id in ["old", "kept"] { _ = try first.create(id: id) }
        try first.remove("old")
        try makeLayerDirectory(fixture, "1")
        try restart(fixture)
        #expect(try fixture.open().check().isEmpty)
        #expect(try fixture.layersOnDisk() == ["2"])
    }

    @Test func `a layer without a record stops changes after a start, and is kept`() throws {
        let fixture = try StoreFixture()
        _ = try fixture.open().create(id: "kept")
        try makeLayerDirectory(fixture, "7")
        // Before a start nobody looks, and a collection keeps it.
        #expect(try fixture.open().collectGarbage().map(\.kind) == [.unownedLayer])
        try restart(fixture)
        for _ in 0..<2 {
            let store = try fixture.open()
            #expect(try store.layers().count == 1)
            let error = expect(.storeDamaged) { () throws(DriverError) in try store.create() }
            #expect(error?.message.contains("folder/7") == true)
            expect(.storeDamaged) { () throws(DriverError) in try store.remove("kept") }
            expect(.storeDamaged) { () throws(DriverError) in try store.commit("kept") }
            expect(.storeDamaged) { () throws(DriverError) in try store.collectGarbage() }
            #expect(Set(try store.check().map(\.kind)) == [.recordsLost, .unownedLayer])
            #expect(try store.check().allSatisfy(\.isDamage))
        }
        #expect(try fixture.layersOnDisk() == ["1", "7"])
        try fixture.open().collectGarbage(orphans: true)
        let store = try fixture.open()
        #expect(try store.check().isEmpty)
        #expect(try fixture.layersOnDisk() == ["1"])
        #expect(try store.create().number == 8)
    }

    @Test func `a number under which somebody's bytes lie is not given to a new layer`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        try makeLayerDirectory(fixture, "1")
        expect(.storeDamaged) { () throws(DriverError) in try store.create(id: "new") }
        #expect(try fixture.layersOnDisk() == ["1"])
        #expect(try store.layers().isEmpty)
        expect(.storeDamaged) { () throws(DriverError) in try store.create(id: "new") }
    }

    /// As if the machine had been started since.
    private func restart(_ fixture: StoreFixture) throws {
        let boot = try #require(
            try FileManager.default.contentsOfDirectory(atPath: fixture.runRoot.string)
                .first { $0.hasPrefix("boot-") })
        try "another start".write(
            toFile: fixture.runRoot.appending(boot).string, atomically: false, encoding: .utf8)
    }

    @Test func `a collection clears what nothing owns`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        _ = try store.create(id: "kept")
        try makeLayerDirectory(fixture, "7", permissions: 0o1755)
        try makeLayerDirectory(fixture, "8")
        try makeLayerDirectory(fixture, "not-ours")
        try store.remove(try store.create().id)
        let found = try store.collectGarbage()
        #expect(Set(found.map(\.kind)) == [.unownedLayer, .trash])
        #expect(try fixture.layersOnDisk() == ["1", "8", "not-ours"])
        #expect(Set(try store.check().map(\.kind)) == [.foreignFile, .unownedLayer])
    }

    @Test func `a record that makes no sense is reported`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        _ = try store.apply(MemorySource(try StoreFixture.tar("a", "1")), id: "base")
        _ = try store.create(id: "child", parent: "base")
        try fixture.tamper("UPDATE layers SET depth = 7 WHERE id = 'child'")
        try fixture.tamper("UPDATE layers SET diff_id = NULL WHERE id = 'base'")
        #expect(try store.check().map(\.subject) == ["base", "child"])
        #expect(try store.check().allSatisfy { $0.kind == .recordInvalid && $0.isDamage })
    }

    @Test func `what cannot be cleared is a warning, and the store opens`() throws {
        let fixture = try StoreFixture()
        try makeUnfinished(fixture, "creating")
        let store = try fixture.open(options: ["remove": "fails"])
        #expect(try store.layers().isEmpty)
        #expect(try store.check().map(\.kind) == [.interruptedOperation])
        #expect(try store.create(id: "other").number == 2)
        // Once it can be cleared, it is.
        #expect(try fixture.open().check().isEmpty)
        #expect(try fixture.layersOnDisk() == ["2"])
    }

    @Test func `a removal that fails leaves the layer as it was`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open(options: ["remove": "fails"])
        let layer = try store.create(id: "work", labels: ["a": "b"])
        expect(.system) { () throws(DriverError) in try store.remove("work") }
        #expect(try store.layer("work") == layer)
        #expect(try store.check().isEmpty)
    }

    private func makeUnfinished(_ fixture: StoreFixture, _ state: String) throws {
        let store = try fixture.open()
        _ = try store.create(id: "left")
        try cutOff(fixture, state)
    }

    /// Leaves what a process leaves that dies in the middle of an operation on layer number 1.
    private func cutOff(_ fixture: StoreFixture, _ state: String) throws {
        try fixture.tamper(
            "UPDATE layers SET state = ?, owner = ? WHERE number = 1", [state, Self.dead])
    }

    private func makeLayerDirectory(
        _ fixture: StoreFixture, _ name: String, permissions: UInt16 = 0o755
    ) throws {
        let layers = try Directory(opening: fixture.layers)
        try layers.makeDirectory(RawPath(name), permissions: permissions)
    }

    private func wait<Value: Sendable>(for task: Task<Value, any Error>) throws -> Value {
        let done = DispatchSemaphore(value: 0)
        let box = Box<Result<Value, any Error>>()
        Task.detached {
            box.value = await task.result
            done.signal()
        }
        done.wait()
        return try #require(box.value).get()
    }
}

/// Holds a result for another thread, which waits before it looks.
final class Box<Value>: @unchecked Sendable {
    var value: Value?
}

/// Stops a thread at a place, and tells that it got there.
final class Gate: Sendable {
    private let reached = DispatchSemaphore(value: 0)
    private let opened = DispatchSemaphore(value: 0)

    func stop() {
        reached.signal()
        opened.wait()
    }

    func waitUntilReached() { reached.wait() }
    func open() { opened.signal() }
}

/// Gives out half of its bytes, stops at a gate, and goes on.
final class GatedSource: ByteSource, @unchecked Sendable {
    private var rest: [UInt8]
    private let gate: Gate
    private let half: Int
    private var hasStopped = false

    init(_ bytes: [UInt8], _ gate: Gate) {
        (rest, self.gate, half) = (bytes, gate, bytes.count / 2)
    }

    func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        if rest.count <= half && !hasStopped {
            hasStopped = true
            gate.stop()
        }
        let most = hasStopped ? rest.count : rest.count - half
        let count = min(buffer.count, most)
        buffer.replaceSubrange(0..<count, with: rest[..<count])
        rest.removeFirst(count)
        return count
    }
}
