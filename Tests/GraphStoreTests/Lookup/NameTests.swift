// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphStore
import GraphTestSupport
import SystemPackage
import Testing

/// What layers are called beside their ids.
@Suite struct NameTests {
    @Test func `a layer is found by its name, by all of it and by no other`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let key = "default/12/extract-1-x sha256:ab"
        let layer = try store.create(name: key, labels: ["a": "b"])
        #expect(layer.name == key && layer.labels == ["a": "b"])
        #expect(try store.layer(named: key) == layer)
        #expect(try store.layer(key) == layer)
        #expect(try store.layer(layer.id) == layer)
        #expect(try store.layers() == [layer])
        #expect(try store.layer(named: "default/12") == nil)
        #expect(try store.layer(named: layer.id) == nil)
        expect(.layerNotFound) { () throws(DriverError) in try store.layer("default/12") }
        // Labels are labels: none of them is the name.
        #expect(try store.setLabels(of: key, ["a": nil, "c": "d"]).name == key)
        #expect(try store.setLabels(of: key, [:], replacingAll: true).labels == [:])
        #expect(try store.layer(named: key)?.labels == [:])
        expect(.invalidArgument) { () throws(DriverError) in
            try store.setLabels(of: key, ["": "other"])
        }
        #expect(try fixture.open().layer(named: key)?.id == layer.id)
    }

    @Test func `a word is an id first, then a name, then a part of an id`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let first = try store.create(id: "one")
        let second = try store.create(id: "other", name: "one")
        let third = try store.create(id: "third", name: "on")
        #expect(try store.layer("one").id == first.id)
        #expect(try store.layer(named: "one")?.id == second.id)
        #expect(try store.layer("on").id == third.id)
        #expect(try store.layer("ot").id == second.id)
    }

    @Test func `what is no line of text is no name`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        for name in [
            "", "a\nb", "a\0", "\u{1B}[1m", "a\u{85}b", "a\u{2028}b",
            String(repeating: "n", count: 1_025),
        ] {
            expect(.invalidArgument) { () throws(DriverError) in try store.create(name: name) }
            expect(.invalidArgument) { () throws(DriverError) in try store.createView(name: name) }
        }
        let active = try store.create()
        expect(.invalidArgument) { () throws(DriverError) in
            try store.commit(active.id, name: "a\nb")
        }
        #expect(try store.layer(active.id).kind == .active)
        for name in [String(repeating: "n", count: 1_024), "Ω /\\:;'\"=,", "🦫", "..", "-"] {
            #expect(try store.create(name: name).name == name)
            #expect(try store.layer(named: name)?.name == name)
        }
    }

    @Test func `a commit gives name and labels in the place of those before, or nothing`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let layer = try store.create(name: "key", labels: ["a": "1", "b": "2"])
        _ = try store.createView(name: "taken")
        expect(.layerExists) { () throws(DriverError) in
            try store.commit("key", name: "taken", labels: [:])
        }
        #expect(try store.layer(named: "key") == layer)
        let committed = try store.commit("key", name: "name", labels: ["b": "3"])
        #expect(committed.id == layer.id && committed.kind == .committed)
        #expect(committed.name == "name" && committed.labels == ["b": "3"])
        #expect(try store.layer(named: "name") == committed)
        #expect(try store.layer(named: "key") == nil)
        // The key may be used again.
        let second = try store.create(name: "key", parent: "name", labels: ["x": "y"])
        #expect(second.parent == layer.id)
        let kept = try store.commit("key")
        #expect(kept.name == "key" && kept.labels == ["x": "y"])
    }

    /// Against a dictionary.
    @Test func `names are unique and follow their layers, whatever is done`() throws {
        let fixture = try StoreFixture()
        var random = SeededGenerator(seed: SeededGenerator.runSeed)
        let names = ["name", "a b", "ns/1/x", "ns/1/y", "ü", "sha256:0"]
        let stores = [try fixture.open(), try fixture.open()]
        var known: [String: String] = [:]
        for _ in 0..<400 {
            let store = stores[Int.random(in: 0..<2, using: &random)]
            let name = names.randomElement(using: &random) ?? ""
            let other = names.randomElement(using: &random) ?? ""
            do throws(DriverError) {
                switch Int.random(in: 0..<5, using: &random) {
                case 0:
                    let made = try store.create(name: name)
                    #expect(known.updateValue(made.id, forKey: name) == nil)
                case 1:
                    let made = try store.createView(name: name)
                    #expect(known.updateValue(made.id, forKey: name) == nil)
                case 2:
                    let made = try store.create([
                        LayerRequest(name: name), LayerRequest(name: other),
                    ])
                    for layer in made {
                        let given = layer.name ?? ""
                        #expect(known.updateValue(layer.id, forKey: given) == nil)
                    }
                case 3:
                    let layer = try store.commit(name, name: other)
                    #expect(layer.id == known[name] && layer.name == other)
                    known[name] = nil
                    #expect(known.updateValue(layer.id, forKey: other) == nil)
                default:
                    let layer = try store.remove(name)
                    #expect(layer.id == known.removeValue(forKey: name) && layer.name == name)
                }
            } catch {
                let isTaken = known[name] != nil || known[other] != nil
                switch error.code {
                case .layerExists: #expect(isTaken, "\(error)")
                case .layerNotFound: #expect(known[name] == nil, "\(error)")
                case .wrongKind: #expect(known[name] != nil, "\(error)")
                case .invalidArgument: #expect(name == other, "\(error)")
                default: Issue.record("\(error)")
                }
            }
            for name in names {
                #expect(try store.layer(named: name)?.id == known[name])
            }
        }
        #expect(try fixture.open().check(deep: true) == [])
    }
}
