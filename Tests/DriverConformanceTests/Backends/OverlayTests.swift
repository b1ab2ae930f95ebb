// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphOverlay
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What the overlay driver promises beyond the contract.
@Suite(.serialized, .usable("overlay")) struct OverlayTests {
    private let subject = DriverUnderTest(OverlayDriver.self)

    private func overlay(_ mounts: [Mount]) throws -> OverlayLayers {
        let mount = try #require(mounts.first)
        #expect(mounts.count == 1)
        if case .overlay(let layers) = mount.source { return layers }
        return try #require(nil, "\(mount) is no overlay")
    }

    @Test func `layers are merged, the nearest first, and a base layer lies on an empty directory`()
        throws
    {
        try subject.withDriver { store in
            try store.build(1) { _ in }
            try store.build(2, parents: [1]) { _ in }
            try store.create(3, parents: [2, 1])
            let directory = store.root.appending("overlay")
            let base = try overlay(try store.driver.mounts(for: 1, parents: [], writable: true))
            #expect(base.lowers == [directory.appending("empty")])
            #expect(base.upper == directory.appending("1/diff"))
            let view = try overlay(try store.driver.mounts(for: 1, parents: [], writable: false))
            #expect(view.lowers == [directory.appending("1/diff"), directory.appending("empty")])
            #expect(view.upper == nil)
            #expect(try !store.driver.inventory().contains { $0.kind == .foreign })

            let active = try overlay(
                try store.driver.mounts(for: 3, parents: [2, 1], writable: true))
            #expect(
                active.lowers == [directory.appending("2/diff"), directory.appending("1/diff")])
            #expect(active.upper == directory.appending("3/diff"))
            #expect(active.work == directory.appending("3/work"))

            let merged = try overlay(
                try store.driver.mounts(for: 2, parents: [1], writable: false))
            #expect(
                merged.lowers == [directory.appending("2/diff"), directory.appending("1/diff")])
            #expect(merged.upper == nil)
            #expect(merged.work == nil)
        }
    }

    @Test func `the host's defaults do not decide how a layer is recorded`() throws {
        try subject.withDriver { store in
            try store.build(1) { _ in }
            try store.create(2, parents: [1])
            let layers = try overlay(
                try store.driver.mounts(for: 2, parents: [1], writable: true))
            let options = layers.options.filter { $0.key != "userxattr" }
            #expect(options.map(\.key) == ["index", "metacopy", "redirect_dir", "xino"])
            #expect(options.map(\.value) == ["off", "off", "nofollow", "off"])
        }
    }

    @Test func `a layer takes what it changes and nothing of its parents`() throws {
        try subject.withDriver { store in
            try store.build(1) { path in
                try path.appending("large").write(String(repeating: "x", count: 1 << 20))
            }
            try store.build(2, parents: [1]) { try $0.appending("small").write("x") }
            let usage = try store.driver.usage(of: 2, parents: [1])
            #expect(usage.inodes == 2)
            #expect(usage.bytes < 100_000)
        }
    }

    @Test func `both sides of a diff share the directories of common ancestors`() throws {
        try subject.withDriver { store in
            try store.build(1) { _ in }
            try store.build(2, parents: [1]) { _ in }
            try store.build(3, parents: [2, 1]) { _ in }
            try store.build(4, parents: [2, 1]) { _ in }
            let source = try store.driver.diffSource(
                of: 3, parents: [2, 1], from: 4, baseParents: [2, 1])
            #expect(source.new.layers.count == 3)
            #expect(source.old.layers.count == 3)
            #expect(source.new.layers[0] !== source.old.layers[0])
            #expect(source.new.layers[1] === source.old.layers[1])
            #expect(source.new.layers[2] === source.old.layers[2])
            let parent = try store.driver.diffSource(
                of: 3, parents: [2, 1], from: 2, baseParents: [1])
            #expect(parent.old.layers[0] === parent.new.layers[1])
        }
    }

    @Test func `sealing removes the work directory`() throws {
        try subject.withDriver { store in
            try store.build(1) { _ in }
            try store.create(2, parents: [1])
            try store.withTree(of: 2, parents: [1], writable: true) { root in
                try root.appending("file").write("x")
            }
            #expect(try store.root.appending("overlay/2").names == ["diff", "work"])
            try store.driver.seal(2, parents: [1], durability: .unsynced)
            #expect(try store.root.appending("overlay/2").names == ["diff"])
        }
    }

    @Test func `five hundred layers go through one option string too`() throws {
        try subject.withDriver { store in
            var chain: [LayerNumber] = []
            for index in 1...500 as ClosedRange<UInt32> {
                try store.create(LayerNumber(rawValue: index), parents: chain)
                chain.insert(LayerNumber(rawValue: index), at: 0)
            }
            let bottom = store.root.appending("overlay/1/diff")
            try bottom.appending("bottom").write("x")
            try store.create(501, parents: chain)
            let layers = try overlay(
                try store.driver.mounts(for: 501, parents: chain, writable: true))
            let old = OverlayLayers(
                lowers: layers.lowers, upper: layers.upper, work: layers.work,
                options: layers.options, usesOptionString: true)
            try withMount([Mount(.overlay(old), attributes: .noDevices)]) { root in
                #expect(try root.appending("bottom").exists)
                try root.appending("top").write("x")
            }
            #expect(try store.root.appending("overlay/501/diff/top").exists)
        }
    }

    @Test func `a store keeps the place of overlayfs's attributes it was begun with`() throws {
        try withScratchRoot { root in
            _ = try subject.open(root)
            let directory = try Directory(opening: root.appending("overlay"))
            let marks = try directory.attributes(of: ".").all().map(\.name)
            let expected = Machine.isInUserNamespace ? "user" : "trusted"
            #expect(marks == ["\(expected).overlay.store"])
            guard Machine.isRoot else { return }
            // As a store begun in a user namespace looks to root.
            try directory.attributes(of: ".").remove("trusted.overlay.store")
            try directory.attributes(of: ".").set(
                ExtendedAttribute(name: "user.overlay.store", value: [UInt8(ascii: "y")]))
            let store = TestStore(driver: try subject.open(root), root: root)
            try store.build(1) { tree in
                try tree.appending("directory").makeDirectory()
                try tree.appending("directory/old").write("x")
            }
            try store.build(2, parents: [1]) { tree in
                try tree.appending("directory").remove()
                try tree.appending("directory").makeDirectory()
            }
            let made = try Directory(opening: root.appending("overlay/2/diff"))
            let names = try made.attributes(of: "directory").all().map(\.name)
            #expect(names.contains("user.overlay.opaque"))
            #expect(try store.snapshot(of: 2, parents: [1]).paths == ["directory"])
            let target = try {
                try store.create(3, parents: [2, 1])
                return try store.driver.applyTarget(for: 3, parents: [2, 1])
            }()
            #expect(target.namespace == .user)
        }
    }

    @Test func `metacopy and redirect_dir are refused where a user namespace keeps its attributes`()
        throws
    {
        try withScratchRoot { root in
            _ = try subject.open(root)
            if Machine.isRoot {
                let directory = try Directory(opening: root.appending("overlay"))
                try directory.attributes(of: ".").remove("trusted.overlay.store")
                try directory.attributes(of: ".").set(
                    ExtendedAttribute(name: "user.overlay.store", value: [UInt8(ascii: "y")]))
            }
            for key in ["metacopy", "redirect_dir"] {
                let error = #expect(throws: DriverError.self) {
                    try subject.open(root, options: [key: "on"])
                }
                #expect(error?.code == .unsupported)
            }
        }
    }
}
