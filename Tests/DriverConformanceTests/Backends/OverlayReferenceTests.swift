// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphOverlay
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What the overlay driver promises of layers made with `metacopy` and `redirect_dir`.
@Suite(
    .serialized, .usable("overlay"),
    .enabled(if: !Machine.isInUserNamespace, "overlayfs has neither in a user namespace"))
struct OverlayReferenceTests {
    private let subject = DriverUnderTest(OverlayDriver.self)

    /// The values of `metacopy` and `redirect_dir` at the one mount of a layer.
    private func references(
        _ driver: any Driver, _ layer: LayerNumber, _ parents: [LayerNumber], writable: Bool
    ) throws -> [String?] {
        let mounts = try driver.mounts(for: layer, parents: parents, writable: writable)
        guard case .overlay(let layers)? = mounts.first?.source else { return [] }
        return ["metacopy", "redirect_dir"].map { key in
            layers.options.first { $0.key == key }?.value
        }
    }

    /// Lends drivers on one store: without options, with redirects, and with both.
    private func withDrivers(
        _ body: (TestStore, TestStore, TestStore) throws -> Void
    ) throws {
        try subject.withRoot { root in
            let stores = try [[:], ["redirect_dir": "on"], ["metacopy": "on"]].map { options in
                TestStore(driver: try subject.open(root, options: options), root: root)
            }
            try body(stores[0], stores[1], stores[2])
        }
    }

    private func buildBase(_ store: TestStore) throws {
        try store.build(1) { root in
            try root.appending("old").makeDirectory()
            try root.appending("old/file").write("data")
            try root.appending("mode").write("content")
        }
    }

    private func change(_ root: FilePath) throws {
        let directory = try Directory(opening: root)
        try directory.rename("old", to: "new", in: directory)
        try directory.setPermissions(of: "mode", 0o600)
    }

    @Test func `a renamed directory is deleted under its old name and added under the new`() throws
    {
        try withDrivers { plain, redirecting, _ in
            try buildBase(plain)
            try redirecting.build(2, parents: [1], change)
            let source = try plain.driver.diffSource(of: 2, parents: [1], from: 1, baseParents: [])
            #expect(
                try treeChanges(source).map(\.description)
                    == ["M /mode", "A /new", "A /new/file", "D /old"])
            let diff = try Directory(opening: plain.root.appending("overlay/2/diff"))
            // The kernel has copied nothing of what is in it.
            #expect(try diff.openDirectory("new").listing().isEmpty)
        }
    }

    @Test func `a store opened without the options mounts what was made with them`() throws {
        try withDrivers { plain, _, metacopying in
            try buildBase(plain)
            try metacopying.create(2, parents: [1])
            try metacopying.withTree(of: 2, parents: [1], writable: true, change)
            // Once more while it is active, and by somebody else.
            try plain.withTree(of: 2, parents: [1], writable: true) { (root: FilePath) throws in
                #expect(try root.appending("mode").readText() == "content")
                #expect(try root.appending("new/file").readText() == "data")
            }
            try plain.driver.seal(2, parents: [1], durability: .durable)
            try plain.build(3, parents: [2, 1]) { root in
                #expect(try root.appending("mode").readText() == "content")
                try root.appending("new/more").write("more")
            }
            try plain.withTree(of: 3, parents: [2, 1]) { (root: FilePath) throws in
                #expect(try root.appending("new").names == ["file", "more"])
            }
            let snapshot = try plain.snapshot(of: 2, parents: [1])
            #expect(snapshot.entries["mode"]?.status.permissions == 0o600)
        }
    }

    @Test func `a layer is mounted as its chain was made, whatever the options are later`() throws {
        try withDrivers { plain, redirecting, metacopying in
            try buildBase(plain)
            for (layer, store) in [(2, plain), (3, redirecting), (4, metacopying)] {
                try store.build(LayerNumber(rawValue: UInt32(layer)), parents: [1]) { root in
                    try Directory(opening: root).setPermissions(of: "mode", 0o600)
                }
            }
            for layer in 2...4 as ClosedRange<UInt32> {
                let number = LayerNumber(rawValue: layer)
                try plain.create(LayerNumber(rawValue: layer + 10), parents: [number, 1])
                try plain.create(LayerNumber(rawValue: layer + 20), parents: [number, 1])
            }
            let driver = plain.driver
            #expect(try references(driver, 2, [1], writable: false) == ["off", "nofollow"])
            #expect(try references(driver, 3, [1], writable: false) == ["off", "follow"])
            #expect(try references(driver, 4, [1], writable: false) == ["on", "on"])
            #expect(try references(driver, 12, [2, 1], writable: true) == ["off", "nofollow"])
            #expect(try references(driver, 13, [3, 1], writable: true) == ["off", "follow"])
            #expect(try references(driver, 14, [4, 1], writable: true) == ["on", "on"])
            let wanting = redirecting.driver
            #expect(try references(wanting, 22, [2, 1], writable: true) == ["off", "on"])
            #expect(try references(wanting, 23, [3, 1], writable: true) == ["off", "on"])
            #expect(try references(wanting, 24, [4, 1], writable: true) == ["on", "on"])
            // A layer above them that changed nothing of the kind refers to nothing itself.
            let source = try driver.diffSource(of: 13, parents: [3, 1], from: nil, baseParents: [])
            #expect(source.new.referring == [1])
            let own = try driver.diffSource(of: 14, parents: [4, 1], from: nil, baseParents: [])
            #expect(own.new.referring == [0, 1])
        }
    }

    @Test func `a chain without references is read without looking for any`() throws {
        try withDrivers { plain, _, metacopying in
            try buildBase(plain)
            try plain.build(2, parents: [1], { try $0.appending("more").write("x") })
            let source = try metacopying.driver.diffSource(
                of: 2, parents: [1], from: 1, baseParents: [])
            #expect(source.new.referring == [])
            #expect(
                try references(metacopying.driver, 2, [1], writable: false) == ["off", "nofollow"])
            let directory = try Directory(opening: plain.root.appending("overlay"))
            #expect(try directory.attributes(of: "2").names() == [])
        }
    }

    @Test func `the mode of a large file is changed without writing its data`() throws {
        try withDrivers { plain, _, metacopying in
            try plain.build(1) { root in
                let file = try OwnedDescriptor.open(
                    root.appending("large"), [.create, .writeOnly], permissions: 0o644)
                let block = [UInt8](repeating: 7, count: 1 << 20)
                for _ in 0..<64 { try file.write(block.span) }
            }
            try metacopying.build(2, parents: [1]) { root in
                let directory = try Directory(opening: root)
                try directory.setPermissions(of: "large", 0o600)
                try directory.setOwner(of: "large", uid: 7, gid: 8)
            }
            #expect(try plain.driver.usage(of: 2, parents: [1]).bytes < 64 << 10)
            let source = try plain.driver.diffSource(of: 2, parents: [1], from: 1, baseParents: [])
            let sink = MemorySink()
            try writeTreeDiff(source, to: sink)
            var reader = TarReader(MemorySource(sink.bytes))
            let entry = try #require(try reader.next())
            #expect(entry.path == "large")
            #expect(entry.kind == .file(size: 64 << 20))
            #expect(entry.permissions == 0o600)
            #expect(entry.uid == 7)
            #expect(sink.bytes.count > 64 << 20)
            #expect(sink.bytes[1 << 20] == 7)
        }
    }

    @Test func `a hard link to a file whose data are below is applied with its data`() throws {
        try withDrivers { plain, _, metacopying in
            try buildBase(plain)
            try metacopying.build(2, parents: [1], change)
            let link = LayerMember(
                ArchiveEntry(path: "name", kind: .hardLink(target: "mode"), permissions: 0o600))
            try plain.apply(3, parents: [2, 1]) { target in
                let source = MemorySource(try LayerTar.bytes(of: [link]))
                _ = try unpackLayer(from: source, into: target)
            }
            try plain.withTree(of: 3, parents: [2, 1]) { (root: FilePath) throws in
                #expect(try root.appending("name").readText() == "content")
                #expect(try root.appending("mode").readText() == "content")
            }
        }
    }

    @Test func `values and combinations that the options do not have are refused`() throws {
        try withScratchRoot { root in
            for (options, message) in [
                (["metacopy": "yes"], "metacopy does not take yes; it takes on, off"),
                (["redirect_dir": "follow"], "redirect_dir does not take follow; it takes on, off"),
                (["metacopy": "on", "redirect_dir": "off"], "metacopy=on needs redirect_dir=on"),
                (
                    ["metacopy": "on", "mountopt": "metacopy=off"],
                    "and another option the contrary"
                ),
            ] {
                let error = #expect(throws: DriverError.self) {
                    try subject.open(root, options: options)
                }
                #expect(error?.code == .invalidArgument)
                #expect(error?.message.contains(message) == true)
            }
        }
    }

    @Test func `a record of references that is not known is no reason to mount without them`()
        throws
    {
        try withDrivers { plain, _, _ in
            try buildBase(plain)
            try plain.create(2, parents: [1])
            let directory = try Directory(opening: plain.root.appending("overlay"))
            for value in ["", "/", "q/q", "r/", "rm"] {
                try directory.attributes(of: "2").set(
                    ExtendedAttribute(name: "trusted.overlay.refers", value: Array(value.utf8)))
                let error = #expect(throws: DriverError.self) {
                    try plain.driver.mounts(for: 2, parents: [1], writable: true)
                }
                #expect(error?.code == .unsupported)
            }
        }
    }
}
