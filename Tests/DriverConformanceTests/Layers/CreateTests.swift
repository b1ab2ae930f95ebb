// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What every driver promises about `create`.
@Suite(.serialized) struct CreateTests {
    @Test(arguments: DriverUnderTest.usable)
    func `a base layer starts empty, with a root of mode 0755 that root owns`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try store.create(1)
            let tree = try store.withTree(of: 1, writable: true) { try TreeSnapshot(of: $0) }
            #expect(tree.paths.isEmpty)
            let root = try #require(tree.entries["."])
            #expect(root.status.permissions == 0o755)
            #expect(root.status.uid == 0)
            #expect(root.status.gid == 0)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a layer starts with what its parent shows`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try store.build(1) { root in
                try root.appending("etc").makeDirectory(permissions: 0o711)
                try root.appending("etc/motd").write("hello\n", permissions: 0o4755)
            }
            try store.build(2, parents: [1]) { root in
                try root.appending("etc/issue").write("two\n")
            }
            let parent = try store.snapshot(of: 2, parents: [1])
            try store.create(3, parents: [2, 1])
            let child = try store.withTree(of: 3, parents: [2, 1], writable: true) {
                try TreeSnapshot(of: $0)
            }
            #expect(child.paths == ["etc", "etc/issue", "etc/motd"])
            expectSame(child, parent)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `what is written to a layer is not seen in its parent`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("file").write("old") }
            let before = try store.snapshot(of: 1)
            try store.build(2, parents: [1]) { root in
                try root.appending("file").write("new")
                try root.appending("more").write("new")
            }
            expectSame(try store.snapshot(of: 1), before)
            #expect(try store.snapshot(of: 2, parents: [1]).paths == ["file", "more"])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a child's root has the attributes of its parent's root`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try store.build(1) { try RichTree.fill(try Directory(opening: $0)) }
            let parent = try store.snapshot(of: 1)
            try store.build(2, parents: [1]) { _ in }
            let child = try store.snapshot(of: 2, parents: [1])
            expectSame(child, parent)
            #expect(child.entries["."]?.status.permissions == 0o1755)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a parent without bytes is not found, and nothing is made`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            let error = #expect(throws: DriverError.self) { try store.create(2, parents: [1]) }
            #expect(error?.code == .layerNotFound)
            let items = try store.driver.inventory()
            #expect(items.isEmpty)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `what a power cut left under a number is not in the new layer`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try store.create(1)
            // Mounted as it is, without the store's word that it is a layer.
            try withMount(try store.driver.mounts(for: 1, parents: [], writable: true)) {
                try $0.appending("left").write("over")
            }
            #expect(try store.driver.isUnfinished(1))
            try store.create(1)
            let tree = try store.withTree(of: 1, writable: true) { try TreeSnapshot(of: $0) }
            #expect(tree.paths.isEmpty)
            let freed = try store.driver.reclaim(observer: .none)
            #expect(freed > 0 || !subject.tellsFreedBytes)
            #expect(try store.driver.inventory().map(\.kind) == [.layer(1)])
        }
    }

    @Test(arguments: DriverUnderTest.usable, ["settled", "mounted", "sealed"])
    func `what was finished is never taken for what a power cut left`(
        _ subject: DriverUnderTest, _ how: String
    ) throws {
        try subject.withDriver { store in
            try store.create(1)
            #expect(try store.driver.isUnfinished(1))
            switch how {
            case "settled": try store.driver.settle(1)
            case "mounted": try store.driver.reopen(1)
            default: try store.driver.seal(1, parents: [], durability: .durable)
            }
            #expect(try !store.driver.isUnfinished(1))
            let error = #expect(throws: DriverError.self) { try store.create(1) }
            #expect(error?.code == .layerExists)
            #expect(try store.driver.inventory().map(\.kind) == [.layer(1)])
        }
    }

    @Test(
        .enabled(if: Machine.isRoot, "makes filesystems"),
        arguments: DriverUnderTest.usable.filter { ["overlay", "vfs"].contains($0.name) },
        [TestFilesystem.ext4, .xfs])
    func `what a power cut took of a new layer is made again, and what was used is not`(
        _ subject: DriverUnderTest, _ filesystem: TestFilesystem
    ) throws {
        try withLoopFilesystem(type: filesystem) { root in
            let store = TestStore(driver: try subject.open(root), root: root)
            func restore() throws -> Bool {
                try store.driver.restore(2, parents: [1], limits: .none, observer: .none)
            }
            func paths() throws -> [String] {
                try store.withTree(of: 2, parents: [1], writable: true) {
                    try TreeSnapshot(of: $0).paths
                }
            }
            try store.build(1) { try $0.appending("base").write("base") }
            try store.create(2, parents: [1])
            let directory = root.appending(subject.name).appending("2")
            let part = directory.appending(subject.name == "overlay" ? "diff" : "root")
            // Not settled; not there; there without what is in it.
            #expect(try restore())
            try store.driver.remove(2)
            #expect(try restore())
            try runCommand("rm", ["-r", part.string])
            #expect(try restore())
            #expect(try paths() == ["base"])
            #expect(try !restore())
            #expect(try !store.driver.isUnfinished(2))
            try store.withTree(of: 2, parents: [1], writable: true) {
                try $0.appending("own").write("own")
            }
            #expect(try !restore())
            #expect(try paths() == ["base", "own"])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a limit that cannot be kept is refused`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            guard !store.driver.capabilities.hasQuota else { return }
            let error = #expect(throws: DriverError.self) {
                try store.driver.create(
                    1, parents: [], limits: LayerLimits(bytes: 1 << 20), observer: .none)
            }
            #expect(error?.code == .unsupported)
            let items = try store.driver.inventory()
            #expect(items.isEmpty)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `access lists and the group of the store's root do not reach into layers`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withRoot { root in
            let directory = try Directory(opening: root)
            try directory.attributes(of: ".").set(
                ExtendedAttribute(name: "system.posix_acl_default", value: RichTree.accessList))
            try directory.setOwner(of: ".", uid: 0, gid: 5)
            try directory.setPermissions(of: ".", 0o2777)
            let store = TestStore(driver: try subject.open(root), root: root)
            try store.create(1)
            try store.withTree(of: 1, writable: true) { try $0.appending("file").write("") }
            let tree = try store.withTree(of: 1, writable: true) { try TreeSnapshot(of: $0) }
            #expect(tree.entries["."]?.attributes == [])
            #expect(tree.entries["."]?.status.permissions == 0o755)
            #expect(tree.entries["."]?.status.gid == 0)
            #expect(tree.entries["file"]?.attributes == [])
            #expect(tree.entries["file"]?.status.gid == 0)
        }
    }

    @Test(arguments: DriverUnderTest.usable.filter { $0.name != "overlay" })
    func `drivers that copy no files up say so`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("file").write("x") }
            try store.create(2, parents: [1])
            let error = #expect(throws: DriverError.self) {
                try store.driver.withCopyUp().copyUp(
                    ["/file"], in: 2, parents: [1], observer: .none)
            }
            #expect(error?.code == .unsupported)
        }
    }

    @Test(arguments: DriverUnderTest.usable.filter { $0.name != "overlay" })
    func `drivers without volatile layers say so`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            let error = #expect(throws: DriverError.self) { try store.driver.withVolatile() }
            #expect(error?.code == .unsupported)
        }
    }
}
