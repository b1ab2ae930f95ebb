// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphCore
import GraphStore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What applying a layer tar promises.
@Suite struct ApplyTests {
    @Test func `applying a layer twice finds it the second time`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let tar = try StoreFixture.tar("file", "content")
        let first = try store.apply(MemorySource(tar))
        #expect(!first.wasPresent && first.streamBytes == UInt64(tar.count))
        #expect(first.layer.diffID == Digest.of(tar))
        #expect(first.layer.chainID == first.layer.diffID)
        #expect(first.layer.id == first.layer.diffID?.hex)
        let second = try store.apply(MemorySource(tar))
        #expect(second.wasPresent && second.layer == first.layer)
        let verified = try store.apply(MemorySource(tar), diffID: Digest.of(tar))
        #expect(verified.wasPresent && verified.layer == first.layer)
        #expect(try fixture.layersOnDisk().count == 1)
        #expect(try store.check(deep: true).isEmpty)
    }

    @Test(arguments: [false, true])
    func `a layer that is found gets the labels that it lacks`(_ isDigestGiven: Bool) throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let tar = try StoreFixture.tar("file", "content")
        let digest = isDigestGiven ? Digest.of(tar) : nil
        for id in [nil, "mine"] {
            func apply(_ labels: [String: String]) throws -> AppliedLayer {
                try store.apply(MemorySource(tar), id: id, diffID: digest, labels: labels)
            }
            #expect(try !apply(["a": "1", "b": "2"]).wasPresent)
            let again = try apply(["b": "3", "c": "4"])
            #expect(again.wasPresent)
            #expect(again.layer.labels == ["a": "1", "b": "3", "c": "4"])
            #expect(try store.layer(again.layer.id) == again.layer)
        }
        // Of another tar nothing is left, and the layer with the id is what it was.
        let before = try store.layers()
        let other = try StoreFixture.tar("file", "other")
        expect(.layerExists) { () throws(DriverError) in
            try store.apply(MemorySource(other), id: "mine")
        }
        expect(.layerExists) { () throws(DriverError) in
            try store.apply(MemorySource(tar), id: "mine", parent: before[0].id)
        }
        #expect(try store.layers() == before)
        #expect(try fixture.layersOnDisk().count == 2)
    }

    @Test func `a chain's identity comes from the digests of all its layers`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let (one, two) = (try StoreFixture.tar("a", "1"), try StoreFixture.tar("b", "2"))
        let base = try store.apply(MemorySource(one)).layer
        let top = try store.apply(MemorySource(two), parent: base.id).layer
        let chain = Digest.of(Array("\(Digest.of(one)) \(Digest.of(two))".utf8))
        #expect(top.chainID == chain && top.id == chain.hex && top.depth == 2)
        #expect(try store.findCommitted(chainID: chain) == top)
        #expect(try store.findCommitted(chainID: Digest.of([])) == nil)
        // The same tar on another parent is another layer.
        let alone = try store.apply(MemorySource(two)).layer
        #expect(alone.number != top.number && alone.diffID == top.diffID)
    }

    @Test func `a stream with another digest leaves nothing behind`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let tar = try StoreFixture.tar("file", "content")
        expect(.digestMismatch) { () throws(DriverError) in
            try store.apply(MemorySource(tar), diffID: Digest.of([1]))
        }
        #expect(try store.layers().isEmpty)
        #expect(try fixture.layersOnDisk().isEmpty)
        // Also when the layer is there already, and the stream is only verified.
        let layer = try store.apply(MemorySource(tar)).layer
        let other = try StoreFixture.tar("file", "other")
        expect(.digestMismatch) { () throws(DriverError) in
            try store.apply(MemorySource(other), diffID: layer.diffID)
        }
        #expect(try store.layers() == [layer])
    }

    @Test func `a stream that breaks off leaves nothing behind`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let tar = try StoreFixture.tar("file", String(repeating: "x", count: 4096))
        for length in [1, 511, 700, 2048] {
            expect(.invalidArchive) { () throws(DriverError) in
                try store.apply(MemorySource(Array(tar[..<length])))
            }
        }
        #expect(try store.layers().isEmpty)
        #expect(try fixture.layersOnDisk().isEmpty)
    }

    @Test func `an apply stops when its caller says so`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let tar = try StoreFixture.tar("file", "content")
        expect(.cancelled) { () throws(DriverError) in
            try store.apply(
                MemorySource(tar), observer: WorkObserver(isCancelled: { true }))
        }
        #expect(try store.layers().isEmpty)
        #expect(try fixture.layersOnDisk().isEmpty)
    }

    @Test func `with an id of its own a layer is kept beside its like`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let tar = try StoreFixture.tar("file", "content")
        let plain = try store.apply(MemorySource(tar)).layer
        let named = try store.apply(MemorySource(tar), id: "mine", diffID: Digest.of(tar))
        #expect(!named.wasPresent && named.layer.number != plain.number)
        for digest in [nil, Digest.of(tar)] {
            let again = try store.apply(MemorySource(tar), id: "mine", diffID: digest)
            #expect(again.wasPresent && again.layer == named.layer)
        }
        #expect(try store.findCommitted(chainID: Digest.of(tar)) == plain)
    }

    @Test func `a layer's diff is the same before and after a commit`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let base = try store.apply(MemorySource(try StoreFixture.tar("a", "1"))).layer
        let active = try store.create(id: "work", parent: base.id)
        let path = fixture.layers.appending("\(active.number)").appending("b")
        try "2".write(toFile: path.string, atomically: false, encoding: .utf8)
        let before = MemorySink()
        try store.writeDiff(of: "work", to: before)
        let committed = try store.commit("work")
        let after = MemorySink()
        try store.writeDiff(of: "work", to: after)
        #expect(before.bytes == after.bytes)
        #expect(committed.diffID == Digest.of(after.bytes))
        #expect(committed.diffBytes == UInt64(after.bytes.count))
        #expect(
            committed.chainID == base.chainID.map { .chain(parent: $0, diff: .of(after.bytes)) })
        #expect(try store.changes(of: "work").map(\.description) == ["A /b"])
        let view = try store.createView(parent: "work")
        #expect(try store.changes(of: view.id).isEmpty)
        #expect(try store.changes(of: view.id, from: base.id).map(\.description) == ["A /b"])
    }

    @Test func `usage is recorded for committed layers and measured for active ones`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let base = try store.apply(MemorySource(try StoreFixture.tar("a", "1"))).layer
        let active = try store.create(id: "work", parent: base.id)
        let path = fixture.layers.appending("\(active.number)").appending("b")
        try "2".write(toFile: path.string, atomically: false, encoding: .utf8)
        let usage = try store.usage(of: "work")
        #expect(usage.own.inodes == 2 && usage.total.inodes == 4)
        #expect(try store.usage(of: base.id).own == base.usage)
        let recorded = try store.diskUsage()
        #expect(recorded.layers.map(\.usage) == [base.usage, nil] && recorded.used == base.usage)
        let all = try store.diskUsage(measuringActive: true)
        #expect(all.layers.map(\.id) == [base.id, "work"] && all.layers[1].usage == usage.own)
        #expect(all.layers.map(\.children) == [1, 0] && all.used == usage.total)
        #expect(all.filesystemBytes > 0)
    }

    @Test func `a changed layer is found by a deep check alone`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let layer = try store.apply(MemorySource(try StoreFixture.tar("file", "content"))).layer
        let path = fixture.layers.appending("\(layer.number)").appending("file")
        try "Content".write(toFile: path.string, atomically: false, encoding: .utf8)
        #expect(try store.check().isEmpty)
        let findings = try store.check(deep: true)
        #expect(findings.map(\.kind) == [.contentChanged] && findings[0].subject == layer.id)
    }

    @Test func `a missing layer is found, and can be removed`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let layer = try store.apply(MemorySource(try StoreFixture.tar("file", "content"))).layer
        try FileManager.default.removeItem(
            atPath: fixture.layers.appending("\(layer.number)").string)
        let findings = try store.check(deep: true)
        #expect(Set(findings.map(\.kind)) == [.layerMissing, .notChecked])
        try store.remove(layer.id)
        #expect(try store.check().isEmpty)
    }
}
