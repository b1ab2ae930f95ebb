// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import GraphVFS
import SystemPackage
import Testing

/// What comparing a layer of vfs with its parent promises while untouched copies are not read.
@Suite(.serialized, .usable("vfs")) struct VFSCopyRecordTests {
    private let subject = DriverUnderTest(VFSDriver.self)

    @Test func `random changes are those that reading all contents tells`() throws {
        let seed = SeededGenerator.runSeed
        var random = SeededGenerator(seed: seed)
        try subject.withDriver { store in
            try store.create(1)
            var base = try RandomChanges(below: tree(store, 1), random: random)
            try base.fill(count: 200)
            random = try base.change(times: 20)
            for round in 0..<(SeededGenerator.isSoak ? 2_000 : 60) {
                try store.create(2, parents: [1])
                var changes = try RandomChanges(below: tree(store, 2), random: random)
                random = try changes.change(times: Int.random(in: 0...20, using: &random))
                let source = try source(store)
                #expect(source.copies != nil)
                var whole = source
                whole.copies = nil
                let message: Comment = "seed \(seed) round \(round)"
                #expect(try treeChanges(source) == treeChanges(whole), message)
                let (fast, slow) = (MemorySink(), MemorySink())
                try writeTreeDiff(source, to: fast)
                try writeTreeDiff(whole, to: slow)
                #expect(fast.bytes == slow.bytes, message)
                try store.driver.remove(2)
                try store.driver.reclaim(observer: .none)
            }
        }
    }

    @Test func `an edit right after the copy is found, though size and times are as before`() throws
    {
        try subject.withDriver { store in
            let names = (0..<40).map { "file \($0)" }
            let time = Timestamp(seconds: 1_000)
            func write(_ text: String, in tree: FilePath) throws {
                let directory = try Directory(opening: tree)
                for name in names {
                    try tree.appending(name).write(text)
                    try directory.setTimes(of: RawPath(name), time)
                }
            }
            try store.build(1) { try write("one", in: $0) }
            for _ in 0..<20 {
                try store.create(2, parents: [1])
                try write("two", in: tree(store, 2))
                let changes = try treeChanges(try source(store))
                #expect(Set(changes.map(\.path.description)).isSuperset(of: names))
                try store.driver.remove(2)
                try store.driver.reclaim(observer: .none)
            }
        }
    }

    @Test func `directories that have changed places are compared with what was there`() throws {
        try subject.withDriver { store in
            let time = Timestamp(seconds: 1_000)
            try store.build(1) { root in
                for (name, text) in [("a", "one"), ("b", "two")] {
                    let directory = root.appending(name)
                    try directory.makeDirectory()
                    try directory.appending("file").write(text)
                    try Directory(opening: directory).setTimes(of: "file", time)
                    try Directory(opening: root).setTimes(of: RawPath(name), time)
                }
            }
            try store.create(2, parents: [1])
            let directory = try Directory(opening: tree(store, 2))
            try directory.rename("a", to: "c", in: directory)
            try directory.rename("b", to: "a", in: directory)
            try directory.rename("c", to: "b", in: directory)
            let paths = try treeChanges(try source(store)).map(\.path)
            #expect(paths.contains("a/file") && paths.contains("b/file"))
        }
    }

    @Test(arguments: ["another start of the machine", "an end that is missing", "no record"])
    func `without a record that holds, contents are compared`(_ damage: String) throws {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("file").write("content") }
            try store.create(2, parents: [1])
            let record = store.root.appending("vfs/2/copied")
            switch damage {
            case "no record": try record.remove()
            case "an end that is missing":
                let file = try OwnedDescriptor.open(record, .readWrite)
                try file.truncate(to: try file.status().size - 8)
            default:
                let file = try OwnedDescriptor.open(record, .readWrite)
                try file.write(Array("0".utf8).span, at: 8)
                try file.write(Array("00000000".utf8).span, at: 9)
            }
            #expect(try source(store).copies == nil)
            #expect(try treeChanges(try source(store)).isEmpty)
            try tree(store, 2).appending("file").write("another")
            #expect(try treeChanges(try source(store)).contains { $0.path == "file" })
        }
    }

    private func tree(_ store: TestStore, _ layer: Int) -> FilePath {
        store.root.appending("vfs/\(layer)/root")
    }

    private func source(_ store: TestStore) throws -> DiffSource {
        try store.driver.diffSource(of: 2, parents: [1], from: 1, baseParents: [])
    }
}
