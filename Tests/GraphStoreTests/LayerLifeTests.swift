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

/// What may be done with layers of each kind, and what their records say.
@Suite struct LayerLifeTests {
    @Test func `a layer goes from active to committed to removed`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let layer = try store.create(id: "web", labels: ["for": "test"])
        #expect(layer.kind == .active && layer.depth == 1 && layer.diffID == nil)
        #expect(try store.layer("web") == layer)
        let path = fixture.layers.appending("\(layer.number)").appending("file")
        try "hello".write(toFile: path.string, atomically: false, encoding: .utf8)
        let committed = try store.commit("web", as: "base")
        #expect(committed.kind == .committed && committed.id == "base")
        #expect(committed.number == layer.number && committed.labels == ["for": "test"])
        #expect(committed.chainID == committed.diffID && committed.usage?.inodes == 2)
        #expect(committed.durability == .durable)
        let child = try store.create(parent: "base")
        #expect(child.parent == "base" && child.depth == 2 && child.id.count == 64)
        #expect(try store.children(of: "base") == [child])
        #expect(try store.chain(of: child.id) == [child, committed])
        #expect(try store.remove(child.id) == child)
        #expect(try store.remove("base") == committed)
        #expect(try store.layers().isEmpty)
        #expect(try fixture.layersOnDisk().isEmpty)
        #expect(try store.reclaim() > 0)
        #expect(try store.check().isEmpty)
    }

    @Test func `only committed layers are parents, and only active ones are committed`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        _ = try store.create(id: "active")
        expect(.wrongKind) { () throws(DriverError) in try store.create(parent: "active") }
        expect(.wrongKind) { () throws(DriverError) in try store.createView(parent: "active") }
        _ = try store.commit("active")
        expect(.wrongKind) { () throws(DriverError) in try store.commit("active") }
        _ = try store.createView(id: "view", parent: "active")
        expect(.wrongKind) { () throws(DriverError) in try store.commit("view") }
        expect(.wrongKind) { () throws(DriverError) in try store.create(parent: "view") }
        expect(.wrongKind) { () throws(DriverError) in try store.mount("active") }
    }

    @Test func `a parent is not removed, and its children are named`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        _ = try store.create(id: "base")
        _ = try store.commit("base")
        for name in ["a", "b", "c", "d"] { _ = try store.create(id: name, parent: "base") }
        let error = expect(.layerInUse) { () throws(DriverError) in try store.remove("base") }
        #expect(error?.message.contains("a, b, c and more") == true)
        #expect(try store.layer("base").kind == .committed)
    }

    @Test func `a layer that cannot be removed keeps its parents, and no others`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open(options: ["remove": "fails 2"])
        for (id, parent) in [("a", nil), ("b", "a"), ("c", "b"), ("d", "a"), ("e", nil)] {
            _ = try store.create(id: id, parent: parent)
            _ = try store.commit(id)
        }
        let outcomes = try store.remove(["e", "a", "b", "c", "d"])
        #expect(outcomes.map { try? $0.get().id } == ["e", nil, nil, "c", "d"])
        guard case .failure(let kept) = outcomes[1], case .failure(let failed) = outcomes[2] else {
            return
        }
        #expect(kept.code == .layerInUse)
        #expect(failed.code == .system)
        #expect(try store.layerIDs() == ["a", "b"])
        #expect(try fixture.layersOnDisk() == ["1", "2"])
        #expect(try store.chain(of: "b").map(\.id) == ["b", "a"])
        _ = try fixture.open().remove(["a", "b"])
        #expect(try fixture.layersOnDisk() == [])
    }

    @Test func `ids are found by a prefix that no other id has`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        for id in ["alpha", "alpine", "alpines", "beta"] { _ = try store.create(id: id) }
        #expect(try store.layer("b").id == "beta")
        #expect(try store.layer("alpine").id == "alpine")
        #expect(try store.layer("alph").id == "alpha")
        let error = expect(.invalidArgument) { () throws(DriverError) in try store.layer("al") }
        #expect(error?.message.contains("alpha, alpine") == true)
        expect(.layerNotFound) { () throws(DriverError) in try store.layer("gamma") }
        expect(.layerNotFound) { () throws(DriverError) in try store.layer("a%") }
        expect(.invalidArgument) { () throws(DriverError) in try store.layer("") }
    }

    @Test(arguments: ["", "-a", "a/b", "ä", String(repeating: "a", count: 256), "a b", ".a"])
    func `an id is made of few characters`(_ id: String) throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        expect(.invalidArgument) { () throws(DriverError) in try store.create(id: id) }
        #expect(try store.layers().isEmpty)
    }

    @Test func `an id is taken once`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        _ = try store.create(id: "one")
        expect(.layerExists) { () throws(DriverError) in try store.create(id: "one") }
        _ = try store.create(id: "two")
        expect(.layerExists) { () throws(DriverError) in try store.commit("two", as: "one") }
        #expect(try store.layer("two").kind == .active)
        #expect(try fixture.layersOnDisk().count == 2)
    }

    @Test func `labels are set, changed, taken away and found`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        _ = try store.create(id: "a", labels: ["color": "red", "size": "1"])
        _ = try store.create(id: "b", labels: ["color": "blue", "size": "1"])
        let filters = ["color=red", "size=1", "color", "none", "color=green"]
            .compactMap(LabelFilter.init(parsing:))
        #expect(
            try filters.map { try store.layers(matching: [$0]).map(\.id) }
                == [["a"], ["a", "b"], ["a", "b"], [], []])
        #expect(try store.layers(matching: [filters[1], filters[0]]).map(\.id) == ["a"])
        let changed = try store.setLabels(of: "a", ["color": nil, "new": "yes"])
        #expect(changed.labels == ["size": "1", "new": "yes"])
        #expect(try store.layer("a") == changed)
        expect(.invalidArgument) { () throws(DriverError) in
            try store.setLabels(of: "a", ["": "x"])
        }
    }

    @Test func `a number is never used again`() throws {
        let fixture = try StoreFixture()
        var seen: Set<LayerNumber> = []
        for _ in 0..<3 {
            let store = try fixture.open()
            for _ in 0..<5 {
                let layer = try store.create()
                #expect(seen.insert(layer.number).inserted)
                try store.remove(layer.id)
            }
        }
    }

    @Test func `a chain that is too long is refused before anything is made`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open(options: ["folder.depth": "2", "other.unknown": "1"])
        _ = try store.apply(MemorySource(try StoreFixture.tar("a", "1")), id: "one")
        _ = try store.apply(MemorySource(try StoreFixture.tar("b", "2")), id: "two", parent: "one")
        expect(.depthExceeded) { () throws(DriverError) in try store.create(parent: "two") }
        #expect(try store.createView(parent: "two").depth == 3)
        #expect(try fixture.layersOnDisk().count == 2)
    }
}

/// Expects a failure of the store with a code, and returns it.
@discardableResult
func expect<Value>(
    _ code: DriverError.Code, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws(DriverError) -> Value
) -> DriverError? {
    do throws(DriverError) {
        _ = try body()
        Issue.record("nothing was thrown", sourceLocation: sourceLocation)
        return nil
    } catch {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
        return error
    }
}
