// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphBtrfs
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What the btrfs driver promises beyond the contract.
@Suite(.serialized, .usable("btrfs")) struct BtrfsTests {
    private let subject = DriverUnderTest(BtrfsDriver.self)

    /// The lines of `btrfs subvolume list` or `btrfs qgroup show` of a filesystem.
    private func listing(_ arguments: String..., at root: FilePath) throws -> [Substring] {
        try runCommand("btrfs", arguments + [root.string]).split(separator: "\n")
    }

    private func write(_ bytes: Int, to path: FilePath) throws(SyscallError) {
        let file = try OwnedDescriptor.open(path, [.create, .writeOnly], permissions: 0o600)
        let block = [UInt8](repeating: 7, count: 1 << 16)
        for _ in 0..<(bytes >> 16) { try file.write(block.span) }
        try file.sync()
    }

    @Test func `nested subvolumes go with their layer, eight deep and read-only ones among them`()
        throws
    {
        try subject.withDriver { store in
            let before = try listing("subvolume", "list", at: store.root)
            try store.build(1) { try $0.appending("base").write("x") }
            try store.create(2, parents: [1])
            try store.withTree(of: 2, parents: [1], writable: true) { tree in
                var directory = try Directory(opening: tree)
                var made: [Directory] = []
                for depth in 0..<8 {
                    try directory.makeDirectory("in between", permissions: 0o755)
                    directory = try directory.openDirectory("in between")
                    for name in ["first", "second"] {
                        try Subvolume.make(RawPath(name), in: directory)
                        let nested = try directory.openDirectory(RawPath(name))
                        _ = try nested.open(
                            RawPath("\(depth)"), [.create, .writeOnly], permissions: 0o600)
                    }
                    directory = try directory.openDirectory("second")
                    made.append(directory)
                }
                for (depth, nested) in made.enumerated() where depth % 2 == 1 {
                    try Subvolume(nested).setReadOnly(true)
                }
            }
            try store.driver.seal(2, parents: [1], durability: .durable)
            #expect(try listing("subvolume", "list", at: store.root).count == before.count + 18)
            // A child shows empty directories in their place.
            try store.build(3, parents: [2, 1]) { _ in }
            let child = try store.snapshot(of: 3, parents: [2, 1])
            #expect(child.paths == ["base", "in between", "in between/first", "in between/second"])
            for layer in [3, 2, 1] as [LayerNumber] { try store.driver.remove(layer) }
            try store.driver.reclaim(observer: .none)
            #expect(try store.driver.inventory().isEmpty)
            #expect(try listing("subvolume", "list", at: store.root) == before)
        }
    }

    @Test func `a hundred subvolumes, each in the one before, are destroyed`() throws {
        try subject.withDriver { store in
            let before = try listing("subvolume", "list", at: store.root)
            try store.create(1)
            try store.withTree(of: 1, writable: true) { tree in
                var directory = try Directory(opening: tree)
                for _ in 0..<100 {
                    try Subvolume.make("nested", in: directory)
                    directory = try directory.openDirectory("nested")
                }
            }
            try store.driver.remove(1)
            try store.driver.reclaim(observer: .none)
            #expect(try store.driver.inventory().isEmpty)
            #expect(try listing("subvolume", "list", at: store.root) == before)
        }
    }

    @Test func `a sealed layer's files cannot be changed by any path`() throws {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("file").write("x") }
            let file = store.root.appending("btrfs/1/tree/root/file")
            let error = #expect(throws: SyscallError.self) { try file.write("changed") }
            #expect(error?.errno == .readOnlyFileSystem)
        }
    }

    @Test func `an apply leaves nothing but its tree for the layers above`() throws {
        try subject.withDriver { store in
            try store.apply(1) { try $0.write("file", "x") }
            try store.apply(2, parents: [1]) { try $0.write("more", "x") }
            for layer in ["1", "2"] {
                let directory = store.root.appending("btrfs").appending(layer)
                #expect(try directory.names == ["tree"])
                #expect(try directory.appending("tree").names == ["root"])
            }
        }
    }

    @Test func `cycles of making, writing and removing leave no subvolume, no group and no space`()
        throws
    {
        let cycles = ProcessInfo.processInfo.environment["GRAPH_SOAK"] == nil ? 60 : 1_000
        try withLoopFilesystem(type: .btrfs, size: 512 << 20) { disk in
            try runCommand("btrfs", ["quota", "enable", disk.string])
            let root = disk.appending("store")
            try root.makeDirectory()
            let store = TestStore(driver: try subject.open(root), root: root)
            try store.build(1) { try write(1 << 20, to: $0.appending("base")) }
            let before = try Directory(opening: disk).descriptor.filesystem().availableBytes
            for cycle in 0..<cycles {
                let layer = LayerNumber(rawValue: UInt32(cycle + 2))
                try store.create(layer, parents: [1])
                try store.withTree(of: layer, parents: [1], writable: true) {
                    try write(1 << 17, to: $0.appending("file"))
                }
                try store.driver.remove(layer)
                try store.driver.reclaim(observer: .none)
            }
            #expect(try store.driver.inventory().map(\.kind) == [.layer(1)])
            #expect(try listing("subvolume", "list", at: disk).count == 1)
            // The kernel frees in the background, and forgets a group when it is done with it. The
            // filesystem's own and the layer's stay.
            var groups: [Substring] = []
            for _ in 0..<200 {
                groups = try listing("qgroup", "show", "--sync", at: disk)
                    .filter { $0.hasPrefix("0/") }
                if groups.count <= 2 { break }
                Pause.milliseconds(50)
            }
            #expect(groups.count == 2, "\(groups)")
            let after = try Directory(opening: disk).descriptor.filesystem().availableBytes
            #expect(after + before / 100 > before)
        }
    }

    @Test func `a limit holds for what the layer itself writes, and not for layers above it`()
        throws
    {
        try withLoopFilesystem(type: .btrfs, size: 512 << 20) { root in
            let off = TestStore(driver: try subject.open(root), root: root)
            #expect(!off.driver.capabilities.hasQuota)
            let limits = LayerLimits(bytes: 4 << 20)
            let refused = #expect(throws: DriverError.self) {
                try off.driver.create(9, parents: [], limits: limits, observer: .none)
            }
            #expect(refused?.code == .unsupported)
            #expect(refused?.message.contains("btrfs quota enable \(root)") == true)
            #expect(try off.driver.inventory().isEmpty)
            try off.build(1) { try write(8 << 20, to: $0.appending("base")) }

            try runCommand("btrfs", ["quota", "enable", root.string])
            try runCommand("btrfs", ["quota", "rescan", "-w", root.string])
            let options = ["min_space": "1M", "size": "2m"]
            let store = TestStore(driver: try subject.open(root, options: options), root: root)
            #expect(store.driver.capabilities.hasQuota)
            try store.driver.create(2, parents: [1], limits: limits, observer: .none)
            try store.create(3, parents: [1])
            for (layer, fits) in [(2, 3 << 20), (3, 1 << 20)] as [(LayerNumber, Int)] {
                try store.withTree(of: layer, parents: [1], writable: true) { tree in
                    try write(fits, to: tree.appending("fits"))
                    let error = #expect(throws: SyscallError.self) {
                        try write(6 << 20, to: tree.appending("too much"))
                    }
                    #expect(error?.errno == .diskQuotaExceeded)
                    try? tree.appending("too much").remove()
                }
                try store.driver.seal(layer, parents: [1], durability: .durable)
                let usage = try store.driver.usage(of: layer, parents: [1])
                #expect(usage.bytes >= UInt64(fits) && usage.bytes < UInt64(fits) + 3 << 20)
            }
            // Without a limit of its own a layer has none, whatever its parent had, and tars have
            // room.
            try store.apply(4, parents: [2, 1]) {
                try $0.write("x", String(repeating: "x", count: 5 << 20))
            }
            let open = TestStore(driver: try subject.open(root), root: root)
            try open.build(5, parents: [2, 1]) { try write(6 << 20, to: $0.appending("more")) }
            let small = #expect(throws: DriverError.self) {
                try store.driver.create(
                    6, parents: [], limits: LayerLimits(bytes: 1000), observer: .none)
            }
            #expect(small?.code == .invalidArgument)
        }
    }

    @Test func `a full filesystem makes no layer, and removing makes room`() throws {
        try withLoopFilesystem(type: .btrfs, makeOptions: ["--mixed"]) { root in
            let store = TestStore(driver: try subject.open(root), root: root)
            try store.build(1) { try $0.appending("small").write("x") }
            try store.create(2)
            try store.withTree(of: 2, writable: true) { tree in
                for name in ["large", "more"] {
                    let error = #expect(throws: SyscallError.self) {
                        try write(1 << 30, to: tree.appending(name))
                    }
                    #expect(error?.errno == .noSpace)
                }
            }
            var last: UInt32 = 2
            let error = #expect(throws: DriverError.self) {
                while last < 500 {
                    last += 1
                    try store.create(LayerNumber(rawValue: last), parents: [1])
                }
            }
            #expect(error?.code == .noSpace)
            for layer in 2...last { try store.driver.remove(LayerNumber(rawValue: layer)) }
            try store.driver.reclaim(observer: .none)
            #expect(try store.driver.inventory().map(\.kind) == [.layer(1)])
            try store.build(1_000, parents: [1], durability: .durable) {
                try write(64 << 20, to: $0.appending("fits"))
            }
        }
    }

    @Test(arguments: [["size": "much"], ["size": "1k", "min_space": "1M"], ["min_space": "-1"]])
    func `sizes that make no sense are refused`(_ options: [String: String]) throws {
        try subject.withRoot { root in
            let error = #expect(throws: DriverError.self) {
                try subject.open(root, options: options)
            }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test func `a store below a plain directory of another subvolume works as one at its root`()
        throws
    {
        try subject.withRoot { root in
            let parent = try Directory(opening: root)
            try Subvolume.make("host", in: parent)
            defer { try? Subvolume.destroy("host", in: parent) }
            let place = root.appending("host/var")
            try place.makeDirectory()
            let store = TestStore(driver: try subject.open(place), root: place)
            try store.build(1) { try $0.appending("file").write("x") }
            try store.build(2, parents: [1], durability: .durable) {
                try $0.appending("more").write("")
            }
            #expect(try store.snapshot(of: 2, parents: [1]).paths == ["file", "more"])
            try store.driver.remove(2)
            try store.driver.remove(1)
            try store.driver.reclaim(observer: .none)
            #expect(try store.driver.inventory().isEmpty)
        }
    }

    @Test func `on another filesystem the call and its error number are told`() throws {
        try withLoopFilesystem(type: .tmpfs) { root in
            let unmet = subject.type.probe(root: root).filter { !$0.isMet }
            #expect(unmet.map(\.name) == ["subvolume"])
            #expect(unmet.first?.refusal?.errno.rawValue == ENOTTY)
            let left = try root.names
            #expect(left.isEmpty)
        }
    }
}
