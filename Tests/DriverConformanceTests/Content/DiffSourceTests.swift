// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What every driver promises about `diffSource`.
@Suite(.serialized) struct DiffSourceTests {
    private func changes(
        _ store: TestStore, _ layer: LayerNumber, _ parents: [LayerNumber],
        from base: LayerNumber?, _ baseParents: [LayerNumber] = []
    ) throws -> [String] {
        let source = try store.driver.diffSource(
            of: layer, parents: parents, from: base, baseParents: baseParents)
        return try treeChanges(source).map(\.description)
    }

    private func buildChain(_ store: TestStore) throws {
        try store.build(1) { root in
            try root.appending("kept").write("one")
            try root.appending("gone").write("one")
            try root.appending("directory").makeDirectory()
            try root.appending("directory/file").write("one")
        }
        try store.build(2, parents: [1]) { root in
            try root.appending("second").write("two")
        }
        try store.build(3, parents: [2, 1]) { root in
            try root.appending("gone").remove()
            try root.appending("directory/file").write("three")
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `changes against the parent are those of the layer`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try buildChain(store)
            #expect(
                try changes(store, 3, [2, 1], from: 2, [1])
                    == ["M /directory", "M /directory/file", "D /gone"])
            #expect(try changes(store, 2, [1], from: 1) == ["A /second"])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `changes against nothing are the whole tree`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try buildChain(store)
            #expect(
                try changes(store, 3, [2, 1], from: nil)
                    == ["A /directory", "A /directory/file", "A /kept", "A /second"])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `changes against an ancestor are those of all layers between`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try buildChain(store)
            #expect(
                try changes(store, 3, [2, 1], from: 1)
                    == ["M /directory", "M /directory/file", "D /gone", "A /second"])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `changes against a descendant go backwards`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try buildChain(store)
            #expect(
                try changes(store, 1, [], from: 3, [2, 1])
                    == ["M /directory", "M /directory/file", "A /gone", "D /second"])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a sibling and a layer of another chain can be compared with`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try buildChain(store)
            try store.build(4, parents: [1]) { try $0.appending("fourth").write("four") }
            #expect(
                try changes(store, 4, [1], from: 2, [1]) == ["A /fourth", "D /second"])
            try store.build(5) { try $0.appending("kept").write("five") }
            #expect(try changes(store, 5, [], from: 2, [1]).contains("M /kept"))
            #expect(try changes(store, 5, [], from: 2, [1]).contains("D /gone"))
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a layer does not differ from itself, nor an untouched one from its parent`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try buildChain(store)
            #expect(try changes(store, 3, [2, 1], from: 3, [2, 1]) == [])
            try store.create(6, parents: [3, 2, 1])
            #expect(try changes(store, 6, [3, 2, 1], from: 3, [2, 1]) == [])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `an active layer can be compared while it is mounted`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try buildChain(store)
            try store.create(7, parents: [2, 1])
            try store.withTree(of: 7, parents: [2, 1], writable: true) { root in
                try root.appending("fresh").write("x")
                #expect(try changes(store, 7, [2, 1], from: 2, [1]) == ["A /fresh"])
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `an unknown layer is not found, on either side`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try buildChain(store)
            let first = #expect(throws: DriverError.self) {
                try store.driver.diffSource(of: 9, parents: [], from: nil, baseParents: [])
            }
            #expect(first?.code == .layerNotFound)
            let second = #expect(throws: DriverError.self) {
                try store.driver.diffSource(of: 1, parents: [], from: 9, baseParents: [])
            }
            #expect(second?.code == .layerNotFound)
        }
    }
}
