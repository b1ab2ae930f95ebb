// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphBtrfs
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What the btrfs driver promises about differences that the kernel tells.
@Suite(.serialized, .usable("btrfs")) struct BtrfsDiffTests {
    private let subject = DriverUnderTest(BtrfsDriver.self)

    /// All that a comparison gives: the changes, and the digest of the tar or why there is none.
    private struct Outcome: Equatable {
        let changes: [String]
        let tar: String
    }

    private func outcome(_ source: DiffSource) throws -> Outcome {
        let sink = MemorySink()
        let result = Result { () throws(ArchiveError) in
            try writeTreeDiff(source, to: sink)
        }
        let tar: String
        switch result {
        case .success: tar = Digest.of(sink.bytes).hex
        case .failure(let error):
            // Such as a name that begins as deletions do.
            if error.code != .unsupported { throw error }
            tar = error.description
        }
        return Outcome(changes: try treeChanges(source).map(\.description), tar: tar)
    }

    /// The differences of a layer, told by the kernel in either way or not, which must be those of a
    /// comparison.
    @discardableResult
    private func checked(
        _ store: TestStore, _ layer: LayerNumber, _ parents: [LayerNumber],
        from base: LayerNumber, _ baseParents: [LayerNumber], seed: String = "",
        readOnly: Bool = false
    ) throws -> DiffSource {
        let source = try store.driver.diffSource(
            of: layer, parents: parents, from: base, baseParents: baseParents)
        let expected = try outcome(DiffSource(old: source.old, new: source.new))
        try expect(source, expected, seed)
        let sender = try subject.open(
            store.root, options: ["changes": "send"], readOnly: readOnly)
        let sent = try sender.diffSource(
            of: layer, parents: parents, from: base, baseParents: baseParents)
        #expect((sent.changedPaths == nil) == (source.changedPaths == nil))
        try expect(sent, expected, seed + " by send")
        return source
    }

    private func expect(_ source: DiffSource, _ expected: Outcome, _ seed: String) throws {
        let found = try outcome(source)
        if found == expected { return }
        let missing = Set(expected.changes).subtracting(found.changes).sorted()
        let extra = Set(found.changes).subtracting(expected.changes).sorted()
        Issue.record("\(seed) missing \(missing), too many \(extra), \(found.tar)")
    }

    /// The differences must be found by a search, not by one of the ways after it.
    private func expectSearch(_ source: DiffSource) {
        #expect(source.changedPaths != nil, "\(source.note ?? "")")
        #expect(source.note?.hasPrefix("by search") == true, "\(source.note ?? "")")
    }

    private func tree(_ store: TestStore, _ layer: LayerNumber) -> FilePath {
        store.root.appending("btrfs/\(layer)/tree/root")
    }

    @Test func `what the kernel tells and what a comparison finds are the same, at random`() throws
    {
        let seed = SeededGenerator.runSeed
        let rounds = SeededGenerator.isSoak ? 10_000 : 120
        print("changes on btrfs: GRAPH_TEST_SEED=\(seed), \(rounds) rounds")
        try subject.withDriver { store in
            var random = SeededGenerator(seed: seed)
            var chain: [LayerNumber] = []
            for round in 0..<rounds {
                let layer = LayerNumber(rawValue: UInt32(round + 1))
                // A new beginning now and then, since small changes alone lead to odd trees.
                if round % 50 == 0 {
                    for old in chain { try store.driver.remove(old) }
                    try store.driver.reclaim(observer: .none)
                    chain = []
                }
                try store.create(layer, parents: chain)
                var changes = try RandomChanges(below: tree(store, layer), random: random)
                let count = Int.random(in: 1...(round % 5 == 0 ? 60 : 12), using: &random)
                if chain.isEmpty { try changes.fill(count: 200) }
                random = try changes.change(times: count)
                try check(store, layer, chain, &random, seed: "seed \(seed) round \(round):")
                chain.insert(layer, at: 0)
            }
        }
    }

    private func check(
        _ store: TestStore, _ layer: LayerNumber, _ chain: [LayerNumber],
        _ random: inout SeededGenerator, seed: String
    ) throws {
        if let parent = chain.first, random.chance(40) {
            // By a snapshot, which is gone afterwards.
            let source = try checked(
                store, layer, chain, from: parent, Array(chain.dropFirst()), seed: seed)
            expectSearch(source)
            #expect(try !store.root.names.contains { $0.hasPrefix(".") })
        }
        try store.driver.seal(layer, parents: chain, durability: .unsynced)
        guard
            let distance = chain.indices.prefix(random.chance(70) ? 1 : 5).randomElement(
                using: &random)
        else { return }
        let (base, below) = (chain[distance], Array(chain[(distance + 1)...]))
        let source = try checked(store, layer, chain, from: base, below, seed: seed)
        expectSearch(source)
        guard random.chance(20) else { return }
        let back = try checked(store, base, below, from: layer, chain, seed: seed + " back")
        expectSearch(back)
    }

    private static let padding = String(repeating: " and more", count: 20)

    @Test func `all names of a file are told when one is changed, however many there are`() throws {
        try subject.withDriver { store in
            try store.build(1) { root in
                try root.appending("file").write("one")
                for number in 0..<10 {
                    let path = root.appending("folder \(number)")
                    try path.makeDirectory()
                    let (top, directory) = (
                        try Directory(opening: root), try Directory(opening: path)
                    )
                    // Far more than one block of metadata holds.
                    for index in 0..<60 {
                        try directory.makeHardLink(
                            RawPath("\(index)" + Self.padding), to: "file", in: top)
                    }
                }
                try root.appending("other").write("x")
            }
            try store.build(2, parents: [1]) { root in
                let name = root.appending("folder 7/47" + Self.padding)
                let file = try OwnedDescriptor.open(name, .writeOnly)
                try file.write("two")
            }
            let source = try checked(store, 2, [1], from: 1, [])
            #expect(source.changedPaths?.count == 611)
            #expect(try treeChanges(source).count == 611)
        }
    }

    private func subvolumes(_ store: TestStore) throws -> Int {
        try runCommand("btrfs", ["subvolume", "list", store.root.string])
            .split(separator: "\n").count
    }

    @Test func `a writable layer is asked about by a snapshot that nobody sees afterwards`() throws
    {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("kept").write("one") }
            try store.create(2, parents: [1])
            try tree(store, 2).appending("fresh").write("two")
            // As a container that runs: a file that has no name any more, and is still written.
            let passing = tree(store, 2).appending("passing")
            let file = try OwnedDescriptor.open(passing, [.create, .writeOnly], permissions: 0o600)
            try passing.remove()
            defer { try? file.write("x") }
            let before = try subvolumes(store)
            let source = try checked(store, 2, [1], from: 1, [])
            #expect(source.changedPaths?.count == 1)
            #expect(try treeChanges(source).map(\.description) == ["A /fresh"])
            #expect(try subvolumes(store) == before)
            #expect(try store.root.names == ["btrfs"])
            #expect(try store.driver.inventory().map(\.kind) == [.layer(1), .layer(2)])
        }
    }

    /// The differences must be found by comparing whole trees, for a reason that has these words.
    private func expectWhole(_ source: DiffSource, _ words: String) {
        #expect(source.changedPaths == nil)
        #expect(source.note?.contains(words) == true, "\(source.note ?? "nothing noted")")
    }

    @Test func `layers in which subvolumes were made are compared whole, and those above them`()
        throws
    {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("kept").write("one") }
            try store.build(2, parents: [1]) { root in
                try Subvolume.make("nested", in: Directory(opening: root))
                try root.appending("nested/file").write("two")
            }
            try store.build(3, parents: [2, 1]) { try $0.appending("third").write("three") }
            try store.build(4, parents: [3, 2, 1]) { try $0.appending("fourth").write("four") }
            for (layer, parents) in [(2, [1]), (3, [2, 1]), (4, [3, 2, 1])]
                as [(LayerNumber, [LayerNumber])]
            {
                let source = try store.driver.diffSource(
                    of: layer, parents: parents, from: parents[0],
                    baseParents: Array(parents.dropFirst()))
                expectWhole(source, "has subvolumes in it")
            }
        }
    }

    @Test func `layers of which none is above the other are compared whole`() throws {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("kept").write("one") }
            try store.build(2, parents: [1]) { try $0.appending("second").write("two") }
            try store.build(3, parents: [1]) { try $0.appending("third").write("three") }
            expectWhole(try checked(store, 3, [1], from: 2, [1]), "above the other")
        }
    }

    @Test func `a parent that can be changed, or was, is compared whole`() throws {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("kept").write("one") }
            try store.build(2, parents: [1]) { try $0.appending("second").write("two") }
            let parent = try Subvolume("btrfs/1/tree", in: Directory(opening: store.root))
            #expect(try checked(store, 2, [1], from: 1, []).changedPaths != nil)
            try parent.setReadOnly(false)
            expectWhole(try checked(store, 2, [1], from: 1, []), "not a snapshot of its parent")
            try tree(store, 1).appending("late").write("three")
            try parent.setReadOnly(true)
            expectWhole(try checked(store, 2, [1], from: 1, []), "not a snapshot of its parent")
        }
    }

    @Test func `a store that is only read asks about sealed layers and compares writable ones`()
        throws
    {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("kept").write("one") }
            try store.build(2, parents: [1]) { try $0.appending("second").write("two") }
            try store.create(3, parents: [2, 1])
            let reader = TestStore(
                driver: try subject.open(store.root, readOnly: true), root: store.root)
            expectSearch(try checked(reader, 2, [1], from: 1, [], readOnly: true))
            expectWhole(
                try checked(reader, 3, [2, 1], from: 2, [1], readOnly: true), "opened for reading")
        }
    }

    @Test func `more changes than can be kept in mind are found by comparing whole trees`() throws {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("kept").write("one") }
            try store.build(2, parents: [1]) { root in
                try runCommand("sh", ["-c", "cd '\(root)' && seq 100001 | xargs touch"])
            }
            let source = try store.driver.diffSource(of: 2, parents: [1], from: 1, baseParents: [])
            expectWhole(source, "more than 100000 names")
        }
    }

    @Test func `an operator chooses how differences are found`() throws {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("kept").write("one") }
            try store.build(2, parents: [1]) { try $0.appending("second").write("two") }
            let told = [
                "auto": "by search, 1 names", "search": "by search, 1 names",
                "send": "by send, 1 names", "compare": "whole trees, as the option changes says",
            ]
            for (value, words) in told {
                let driver = try subject.open(store.root, options: ["changes": value])
                let source = try driver.diffSource(of: 2, parents: [1], from: 1, baseParents: [])
                #expect(source.note == words)
                #expect(try treeChanges(source).map(\.description) == ["A /second"])
                let diffs = driver.capabilities.details.first { $0.key == "diffs" }?.value
                let way = ["compare": "comparing whole trees", "auto": "search"][value] ?? value
                #expect(diffs == "by " + way)
            }
            let error = #expect(throws: DriverError.self) {
                try subject.open(store.root, options: ["changes": "guess"])
            }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test(arguments: [GraphSystem.FileType.regular, .symbolicLink, .fifo])
    func `names that were one file and are two alike are told, whatever the file is`(
        _ type: GraphSystem.FileType
    ) throws {
        /// Makes what is the same each time.
        func make(_ name: RawPath, in directory: Directory) throws {
            switch type {
            case .symbolicLink: try directory.makeSymbolicLink(name, to: "target")
            case .regular:
                _ = try directory.open(name, [.create, .writeOnly], permissions: 0o600)
            default: try directory.makeSpecial(name, type, permissions: 0o600)
            }
            try directory.setTimes(of: name, Timestamp(seconds: 1_000))
        }
        try subject.withDriver { store in
            try store.build(1) { root in
                let directory = try Directory(opening: root)
                try make("one", in: directory)
                try directory.makeHardLink("two", to: "one", in: directory)
            }
            try store.build(2, parents: [1]) { root in
                let directory = try Directory(opening: root)
                for name in ["one", "two"] as [RawPath] {
                    try directory.removeFile(name)
                    try make(name, in: directory)
                }
            }
            let source = try checked(store, 2, [1], from: 1, [], seed: "\(type)")
            expectSearch(source)
            let sink = MemorySink()
            try writeTreeDiff(source, to: sink)
            let told = try LayerTar.members(of: sink.bytes).map(\.entry.path.description)
            #expect(Set(told).isSuperset(of: ["one", "two"]))
        }
    }

    @Test func `inode numbers that are given again after a mount are not mistaken for the same`()
        throws
    {
        try withLoopFilesystem(type: .btrfs, size: 256 << 20) { disk in
            var numbers: [UInt64] = []
            try onFreshMount(disk) { store in
                try store.build(1) { root in
                    try root.appending("kept").write("one")
                    try root.appending("folder").makeDirectory()
                    try root.appending("folder/file").write("two")
                }
                numbers = try inodes(store, 1)
                try store.create(2, parents: [1])
                try tree(store, 2).appending("folder").remove()
            }
            // The filesystem gives the numbers behind the last one that it finds.
            try onFreshMount(disk) { store in
                let top = tree(store, 2)
                try top.appending("folder").makeDirectory()
                try top.appending("folder/file").write("two")
                #expect(try inodes(store, 2) == numbers, "the kernel gives no number again")
                expectSearch(try checked(store, 2, [1], from: 1, []))
                try top.appending("folder").remove()
            }
            try onFreshMount(disk) { store in
                let top = tree(store, 2)
                try top.appending("file").write("three")
                try top.appending("folder").makeDirectory()
                try Directory(opening: top.appending("folder"))
                    .makeHardLink("file", to: "file", in: Directory(opening: top))
                try store.driver.seal(2, parents: [1], durability: .unsynced)
                expectSearch(try checked(store, 2, [1], from: 1, []))
                expectSearch(try checked(store, 1, [], from: 2, [1]))
            }
        }
    }

    @Test func `what is written behind a seal by who had the file open is found`() throws {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("file").write("one") }
            try store.create(2, parents: [1])
            let file = try OwnedDescriptor.open(tree(store, 2).appending("file"), .writeOnly)
            try store.driver.seal(2, parents: [1], durability: .durable)
            expectSearch(try checked(store, 2, [1], from: 1, []))
            // In memory alone so far.
            try file.write("two")
            let source = try checked(store, 2, [1], from: 1, [])
            expectSearch(source)
            #expect(try treeChanges(source).map(\.description) == ["M /file"])
        }
    }

    private func inodes(_ store: TestStore, _ layer: LayerNumber) throws -> [UInt64] {
        let root = try Directory(opening: tree(store, layer))
        let directory = try root.openDirectory("folder")
        return [try root.status(of: "folder").inode, try directory.status(of: "file").inode]
    }

    /// Lends a store on a loop filesystem that was mounted again, so that nothing is in memory.
    private func onFreshMount(_ disk: FilePath, _ body: (TestStore) throws -> Void) throws {
        try runCommand("umount", [disk.string])
        let image = disk.removingLastComponent().appending("image")
        try runCommand("mount", ["-o", "loop", image.string, disk.string])
        try body(TestStore(driver: try subject.open(disk), root: disk))
    }
}
