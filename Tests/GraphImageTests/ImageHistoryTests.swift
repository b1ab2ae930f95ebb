// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphCore
import GraphImage
import GraphStore
import GraphTestSupport
import SystemPackage
import Testing

/// Images, names and layers after any history, against a model that knows nothing of a store.
@Suite struct ImageHistoryTests {
    /// What a store has to hold.
    private struct Model {
        /// The chains of the images, by their ids; a chain is its layers' letters.
        var chains: [String: String] = [:]
        var names: [String: String] = [:]
        /// The layers that are there, as chains.
        var layers: Set<String> = []
        /// Writable layers, and the chain below each.
        var boxes: [String: String] = [:]

        mutating func add(_ id: String, _ chain: String, _ name: String) {
            chains[id] = chain
            names[name] = id
            for length in 1...chain.count { layers.insert(String(chain.prefix(length))) }
        }

        /// Takes a name, or with the last one the image and what only it used.
        mutating func remove(_ name: String) {
            guard let id = names.removeValue(forKey: name), !names.values.contains(id),
                var chain = chains.removeValue(forKey: id)
            else { return }
            while !chain.isEmpty, !chains.values.contains(chain), !boxes.values.contains(chain),
                !layers.contains(where: { $0.count > chain.count && $0.hasPrefix(chain) })
            {
                layers.remove(chain)
                chain.removeLast()
            }
        }
    }

    private static let letters = ["a", "b"]
    private static let names = ["one:1", "two:1", "three:1"]

    @Test(arguments: DriverUnderTest.usable)
    func `any history of images, names and containers leaves what a model says`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDirectory { directory in
            let store = try subject.openStore(in: directory, durability: .unsynced)
            var generator = SeededGenerator(seed: SeededGenerator.runSeed)
            var model = Model()
            for step in 0..<30 {
                try Self.step(step, store, directory, &model, &generator)
                try Self.compare(store, model, "step \(step), \(subject.name)")
            }
            for id in model.boxes.keys { try store.remove(id) }
            for image in try store.images.all() {
                for name in image.names.dropFirst() { try store.images.untag(name) }
                try store.images.remove(image.id.hex)
            }
            #expect(try store.images.all().isEmpty)
            #expect(try store.check(deep: true).isEmpty)
        }
    }

    private static func step(
        _ step: Int, _ store: LayerStore, _ directory: FilePath, _ model: inout Model,
        _ generator: inout SeededGenerator
    ) throws {
        let name = names.randomElement(using: &generator) ?? ""
        let other = names.randomElement(using: &generator) ?? ""
        switch Int.random(in: 0..<10, using: &generator) {
        case 0..<4:
            let length = Int.random(in: 1...3, using: &generator)
            let chain = (0..<length).map { _ in letters.randomElement(using: &generator) ?? "" }
                .joined()
            let author = Bool.random(using: &generator) ? "x" : "y"
            let layers = try chain.enumerated().map {
                try TestImage.layer("\($0.offset)\($0.element)", String($0.element))
            }
            let path = directory.appending("layout-\(step)")
            try path.makeDirectory()
            try RecordTests.image(layers, called: [name], saying: author).write(to: path)
            let source = try ImageSource(opening: path, spoolingTo: directory)
            let before = model
            let imported = try importImage(source, into: store)
            model.add(imported.image.id.hex, chain, name)
            #expect(imported.wasPresent == (before.chains[imported.image.id.hex] != nil))
        case 4..<6:
            if let id = model.names[other] {
                model.names[name] = id
                try store.images.tag(other, as: name)
            }
        case 6:
            if let id = model.names[name], let chain = model.chains[id] {
                model.boxes["box-\(step)"] = chain
                _ = try store.create(id: "box-\(step)", parent: name)
            }
        case 7:
            if let box = model.boxes.keys.sorted().randomElement(using: &generator) {
                model.boxes[box] = nil
                try store.remove(box)
            }
        default:
            if model.names[name] == nil {
                let error = #expect(throws: DriverError.self) { try store.images.remove(name) }
                #expect(error?.code == .imageNotFound)
            } else {
                model.remove(name)
                try store.images.remove(name)
            }
        }
    }

    private static func compare(_ store: LayerStore, _ model: Model, _ place: String) throws {
        let images = try store.images.all()
        #expect(Set(images.map(\.id.hex)) == Set(model.chains.keys), "\(place)")
        for image in images {
            let names = model.names.filter { $0.value == image.id.hex }.keys.sorted()
            #expect(image.names == names, "\(place)")
            #expect(image.layerCount == model.chains[image.id.hex]?.count, "\(place)")
        }
        let layers = try store.layers()
        #expect(layers.filter { $0.kind == .committed }.count == model.layers.count, "\(place)")
        let boxes = layers.filter { $0.kind == .active }.map(\.id)
        #expect(Set(boxes) == Set(model.boxes.keys), "\(place)")
        #expect(try store.check().isEmpty, "\(place)")
    }
}
