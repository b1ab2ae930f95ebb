// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphStore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Layers that are made and removed together.
@Suite(.serialized) struct BatchTests {
    @Test(arguments: DriverUnderTest.usable)
    func `layers made together are those that would be made one by one`(
        _ subject: DriverUnderTest
    ) throws {
        try withStore(subject) { store in
            let requests = [
                LayerRequest(id: "one"), LayerRequest(parent: "base", labels: ["a": "b"]),
                LayerRequest(id: "two", parent: "base"), LayerRequest(parent: "base"),
            ]
            let layers = try store.create(requests)
            #expect(layers == (try store.layers().filter { $0.kind == .active }))
            #expect(layers.map(\.parent) == requests.map(\.parent))
            #expect(layers.map(\.labels) == requests.map(\.labels))
            #expect(layers[0].id == "one" && layers[2].id == "two")
            #expect(Set(layers.map(\.id)).count == 4)
            for layer in layers {
                let place = try store.mount(layer.id).path
                #expect(try place.appending("file").exists == (layer.parent != nil))
                try place.appending("own").write(layer.id)
                try store.unmount(layer: layer.id)
            }
            #expect(try store.check() == [])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `where one cannot be made, none is`(_ subject: DriverUnderTest) throws {
        try withStore(subject) { store in
            let before = try store.layers()
            let cases: [(LayerRequest, DriverError.Code)] = [
                (LayerRequest(parent: "missing"), .layerNotFound),
                (LayerRequest(id: "base"), .layerExists),
                (LayerRequest(id: "first"), .invalidArgument),
                (LayerRequest(id: "a/b"), .invalidArgument),
            ]
            for (wrong, code) in cases {
                let error = #expect(throws: DriverError.self) {
                    try store.create([LayerRequest(id: "first"), LayerRequest(), wrong])
                }
                #expect(error?.code == code)
                #expect(try store.layers() == before)
                #expect(try store.check() == [])
            }
            #expect(try store.create([]) == [])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `of layers removed together those stay that something needs`(
        _ subject: DriverUnderTest
    ) throws {
        var random = SeededGenerator(seed: SeededGenerator.runSeed)
        for _ in 0..<(SeededGenerator.isSoak ? 40 : 4) {
            try withStore(subject) { store in
                var forest = try Forest(store, &random)
                for _ in 0..<3 { try forest.removeSome(&random) }
            }
        }
    }

    /// Opens a store with the committed layer `base`, which has one file.
    private func withStore(
        _ subject: DriverUnderTest, _ body: (LayerStore) throws -> Void
    ) throws {
        try subject.withStore { store, _ in
            _ = try store.create(id: "base")
            try store.mount("base").path.appending("file").write("base")
            try store.unmount(layer: "base")
            _ = try store.commit("base")
            try body(store)
        }
    }
}

/// Layers on each other, some of them mounted, and which of them a removal must leave.
private struct Forest {
    private let store: LayerStore
    private var mounted: Set<String> = []

    /// Makes a dozen layers.
    init(_ store: LayerStore, _ random: inout SeededGenerator) throws {
        self.store = store
        for index in 0..<12 {
            let parents = try store.layers().filter { $0.kind == .committed }.map(\.id)
            let parent = random.chance(85) ? parents.randomElement(using: &random) : nil
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<6:
                _ = try store.create(id: "layer-\(index)", parent: parent)
                _ = try store.commit("layer-\(index)")
            case 6..<8: _ = try store.createView(id: "view-\(index)", parent: parent)
            default:
                _ = try store.create(id: "box-\(index)", parent: parent)
                if random.chance(40) {
                    _ = try store.mount("box-\(index)")
                    mounted.insert("box-\(index)")
                }
            }
        }
    }

    /// Removes layers in any order, some named twice and some that there are none of, and compares.
    mutating func removeSome(_ random: inout SeededGenerator) throws {
        let layers = try store.layers()
        var references = layers.map(\.id).filter { _ in random.chance(50) }
        references += references.filter { _ in random.chance(20) } + ["missing"]
        references.shuffle(using: &random)
        let gone = removable(layers, Set(references))
        for (reference, outcome) in zip(references, try store.remove(references)) {
            switch outcome {
            case .success(let layer):
                #expect(layer.id == reference && gone.contains(reference))
            case .failure(let error):
                #expect(!gone.contains(reference), "\(error)")
                #expect(error.code == (reference == "missing" ? .layerNotFound : .layerInUse))
            }
        }
        #expect(try store.layerIDs() == layers.map(\.id).filter { !gone.contains($0) })
        #expect(try store.check().allSatisfy { $0.kind == .trash })
        for id in mounted.sorted() where random.chance(50) {
            try store.unmount(layer: id)
            mounted.remove(id)
        }
    }

    private func removable(_ layers: [Layer], _ wanted: Set<String>) -> Set<String> {
        var gone: Set<String> = []
        // Children are newer than their parents.
        for layer in layers.reversed() where wanted.contains(layer.id) {
            let children = layers.filter { $0.parent == layer.id }.map(\.id)
            if mounted.contains(layer.id) || !gone.isSuperset(of: children) { continue }
            gone.insert(layer.id)
        }
        return gone
    }
}
