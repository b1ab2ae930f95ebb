// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What others' tests make of layers, on every driver: the changes, and the tree that the diffs bring back.
@Suite(.serialized) struct LayerHistoryTests {
    @Test(arguments: DriverUnderTest.usable)
    func `layers of containers-storage's tests have the changes that they have there`(
        _ subject: DriverUnderTest
    ) throws {
        #expect(
            LayerHistory.containersStorage.layers.map { $0.changes?.count } == [18, 14, 9])
        try Self.check([.containersStorage], subject)
    }

    @Test(arguments: DriverUnderTest.usable)
    func `layers of Docker's tests have the changes that they have there`(
        _ subject: DriverUnderTest
    ) throws {
        try Self.check(LayerHistory.docker, subject)
    }

    @Test(arguments: DriverUnderTest.usable)
    func `layers of containerd's tests have the changes that they have there, and come back`(
        _ subject: DriverUnderTest
    ) throws {
        try Self.check(LayerHistory.containerdSuite, subject)
        try Self.check(LayerHistory.containerdLinks, subject)
        try Self.check(LayerHistory.containerdDiffs, subject)
    }

    /// Makes the layers, and applies their diffs on the driver behind this one.
    private static func check(_ histories: [LayerHistory], _ writer: DriverUnderTest) throws {
        let drivers = DriverUnderTest.usable
        let place = drivers.firstIndex { $0.name == writer.name } ?? 0
        let reader = drivers[(place + 1) % drivers.count]
        for history in histories {
            let made = try writer.withDriver { try make(history, in: $0) }
            try reader.withDriver { store in
                for (index, one) in made.enumerated() {
                    try store.apply(number(index), parents: parents(index)) { target in
                        _ = try unpackLayer(from: MemorySource(one.tar), into: target)
                    }
                    let lines = try shown(index, in: store).differences(from: one.tree)
                    #expect(
                        lines.isEmpty, "\(history.what), \(index), \(writer) to \(reader): \(lines)"
                    )
                    // The time of the root alone is in no diff.
                    #expect(try diff(index, in: store) == one.tar, "\(history.what), \(index)")
                }
            }
        }
    }

    private static func number(_ index: Int) -> LayerNumber {
        LayerNumber(rawValue: UInt32(index + 1))
    }

    /// Those below, nearest first.
    private static func parents(_ index: Int) -> [LayerNumber] {
        (0..<index).reversed().map(number)
    }

    /// Makes every layer by its script, and compares what it changes.
    private static func make(
        _ history: LayerHistory, in store: TestStore
    ) throws -> [(tar: [UInt8], tree: TreeSnapshot)] {
        try history.layers.enumerated().map { index, layer in
            try store.build(number(index), parents: parents(index)) { place in
                let script = "cd \"$0\"; umask 022\n\(layer.script)"
                try runCommand("bash", ["-euc", script, place.string])
            }
            let source = try store.driver.diffSource(
                of: number(index), parents: parents(index), from: parents(index).first,
                baseParents: Array(parents(index).dropFirst()))
            let changes = try treeChanges(source)
            let what = "\(history.what), layer \(index)"
            if let wanted = layer.changes {
                let sorted = wanted.sorted { $0.dropFirst(2) < $1.dropFirst(2) }
                #expect(
                    changes.map(\.description).sorted { $0.dropFirst(2) < $1.dropFirst(2) }
                        == sorted, "\(what)")
            }
            let tar = try diff(index, in: store)
            // No member more, and above all no `./`: nobody has touched the root.
            let named = try LayerTar.members(of: tar).map {
                RawPath(joining: $0.entry.path.components)
            }
            #expect(named == changes.map(memberPath), "\(what)")
            return (tar, try shown(index, in: store))
        }
    }

    /// The name that a change has in a layer.
    private static func memberPath(_ change: Change) -> RawPath {
        if change.kind != .deleted { return change.path }
        let names = change.path.components
        let marker = RawPath(".wh.").joined(names.last ?? "")
        return RawPath(joining: names.dropLast() + [marker])
    }

    private static func diff(_ index: Int, in store: TestStore) throws -> [UInt8] {
        let sink = MemorySink()
        try writeTreeDiff(
            try store.driver.diffSource(
                of: number(index), parents: parents(index), from: parents(index).first,
                baseParents: Array(parents(index).dropFirst())), to: sink)
        return sink.bytes
    }

    /// What a layer shows, without sockets and the time of the root.
    private static func shown(_ index: Int, in store: TestStore) throws -> TreeSnapshot {
        var tree = try store.snapshot(of: number(index), parents: parents(index))
        tree.entries = tree.entries.filter { $0.value.status.type != .socket }
        tree.entries["."]?.status.modified = Timestamp(seconds: 0)
        return tree
    }

    /// Layers upon each other that hide and show again, each with the names that are to be seen then.
    private static let hiding: [(layer: [String], shown: [String])] = [
        (
            [
                ".baz", "bar/", "bar/bax", "bar/bay/", "baz", "foo/", "foo/.abc", "foo/.bcd/",
                "foo/.bcd/a", "foo/cde/", "foo/cde/def", "foo/cde/efg", "foo/fgh", "foobar",
            ],
            [
                ".baz", "bar", "bar/bax", "bar/bay", "baz", "foo", "foo/.abc", "foo/.bcd",
                "foo/.bcd/a", "foo/cde", "foo/cde/def", "foo/cde/efg", "foo/fgh", "foobar",
            ]
        ),
        (
            [
                ".bay", ".wh.baz", "foo/", "foo/.bce", "foo/.wh..wh..opq", "foo/cde/",
                "foo/cde/efg",
            ],
            [
                ".bay", ".baz", "bar", "bar/bax", "bar/bay", "foo", "foo/.bce", "foo/cde",
                "foo/cde/efg", "foobar",
            ]
        ),
        (
            [".bay", ".wh..baz", ".wh.foobar", "foo/", "foo/.abc", "foo/.wh.cde", "bar/"],
            [".bay", "bar", "bar/bax", "bar/bay", "foo", "foo/.abc", "foo/.bce"]
        ),
        ([".wh.bar", "bar/.wh.bax"], [".bay", "foo", "foo/.abc", "foo/.bce"]),
        ([".abc", ".wh..wh..opq", "foobar"], [".abc", "foobar"]),
    ]

    @Test(arguments: DriverUnderTest.usable)
    func `layers that hide names and directories show what containers-storage shows of them`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withRoot { directory in
            let store = TestStore(driver: try subject.open(directory), root: directory)
            for (index, one) in Self.hiding.enumerated() {
                let tar = directory.removingLastComponent().appending("hiding.tar")
                defer { try? tar.remove() }
                try RawTar.write(tar, one.layer)
                let bytes = try OwnedDescriptor.open(tar, .readOnly).readAll(limit: 1 << 20)
                try store.apply(Self.number(index), parents: Self.parents(index)) { target in
                    _ = try unpackLayer(from: MemorySource(bytes), into: target)
                }
                #expect(try Self.shown(index, in: store).paths == one.shown, "layer \(index)")
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a layer is the same however it is compressed`(_ subject: DriverUnderTest) throws {
        try subject.withDirectory { directory in
            let command = GraphctlCommand(driver: subject.name, directory: directory)
            let (base, tar) = (directory.appending("base.tar"), directory.appending("top.tar"))
            try RawTar.write(base, Self.hiding[0].layer)
            try RawTar.write(tar, Self.hiding[1].layer)
            try command.succeed("apply", "--id", "base", base.string)
            for tool in ["cat", "gzip", "zstd", "xz", "bzip2"] {
                let packed = directory.appending("packed")
                try runCommand("bash", ["-euc", "\(tool) <$0 >$1", tar.string, packed.string])
                try command.succeed("apply", "--parent", "base", "--id", tool, packed.string)
                try command.withView(of: tool) { (place: FilePath) throws in
                    #expect(try TreeSnapshot(of: place).paths == Self.hiding[1].shown, "\(tool)")
                }
                let back = directory.appending("back.tar")
                try command.succeed("diff", tool, "-o", back.string)
                #expect(try back.readText() == tar.readText(), "\(tool)")
            }
        }
    }
}
