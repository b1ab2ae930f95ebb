// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What every driver promises about `applyTarget` and `finishApply`.
@Suite(.serialized) struct ApplyTests {
    private func file(_ path: RawPath) -> LayerMember {
        LayerMember(ArchiveEntry(path: path, kind: .file(size: 0), permissions: 0o644))
    }

    /// A parent to apply to: a file, a directory with a file, and one with two.
    private func buildParent(_ store: TestStore) throws {
        try store.build(1) { root in
            try root.appending("file").write("old")
            try root.appending("kept").makeDirectory()
            try root.appending("kept/file").write("old")
            try root.appending("kept/other").write("old")
            try root.appending("full").makeDirectory(permissions: 0o700)
            try root.appending("full/below").makeDirectory()
            try root.appending("full/below/file").write("old")
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `files that are written become the layer's content`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try store.apply(1) { target in
                try target.makeDirectory("etc")
                try target.write("etc/motd", "hello")
            }
            #expect(try store.snapshot(of: 1).paths == ["etc", "etc/motd"])
            try store.withTree(of: 1) { root in
                let text = try root.appending("etc/motd").readText()
                #expect(text == "hello")
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a whiteout hides, an opaque directory replaces, a directory merges`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try buildParent(store)
            let parent = try store.snapshot(of: 1)
            try store.apply(2, parents: [1]) { target in
                try target.addWhiteout("file")
                try target.makeDirectory("kept")
                let kept = try target.directory.openDirectory("kept")
                try target.addWhiteout("other", in: kept)
                try target.write("kept/new", "new")
                try target.makeDirectory("full")
                try target.makeOpaque("full")
                try target.write("full/file", "new")
            }
            let tree = try store.snapshot(of: 2, parents: [1])
            #expect(tree.paths == ["full", "full/file", "kept", "kept/file", "kept/new"])
            #expect(tree.entries["full"]?.status.permissions == 0o755)
            #expect(tree.entries["full"]?.attributes == [])
            expectSame(try store.snapshot(of: 1), parent)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a file replaces a directory, and a directory a file`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try buildParent(store)
            try store.apply(2, parents: [1]) { target in
                try target.write("full", "a file")
                try target.makeDirectory("file")
                try target.makeOpaque("file")
                try target.write("file/inside", "x")
            }
            let tree = try store.snapshot(of: 2, parents: [1])
            #expect(tree.entries["full"]?.status.type == .regular)
            #expect(tree.entries["file"]?.status.type == .directory)
            #expect(
                tree.paths == ["file", "file/inside", "full", "kept", "kept/file", "kept/other"])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `deletions of what there never was do not show, in a base layer and below an opaque mark`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            let bytes = try LayerTar.bytes(of: [
                file(".wh.nothing"),
                LayerMember(ArchiveEntry(path: "directory/", kind: .directory, permissions: 0o755)),
                file("directory/.wh.nothing"), file("directory/.wh..wh..opq"),
                file("directory/file"),
            ])
            try store.apply(1) { target in
                _ = try unpackLayer(from: MemorySource(bytes), into: target)
            }
            let over = try LayerTar.bytes(of: [
                file("directory/.wh.file"), file("directory/.wh..wh..opq"),
                file("directory/.wh.nothing"), file("directory/new"),
            ])
            try store.apply(9, parents: [1]) { target in
                _ = try unpackLayer(from: MemorySource(over), into: target)
            }
            #expect(
                try store.snapshot(of: 9, parents: [1]).paths == ["directory", "directory/new"])
            let base = try store.snapshot(of: 1)
            #expect(base.paths == ["directory", "directory/file"])
            #expect(base.entries["directory"]?.attributes == [])
            try store.create(2, parents: [1])
            let child = try store.withTree(of: 2, parents: [1], writable: true) {
                try TreeSnapshot(of: $0)
            }
            expectSame(child, base)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `attributes set on the target are the root's`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try buildParent(store)
            try store.apply(2, parents: [1]) { target in
                try target.write("new", "x")
                try target.directory.descriptor.setOwner(uid: 3, gid: 4)
                try target.directory.descriptor.setPermissions(0o750)
                try target.directory.setTimes(of: ".", Timestamp(seconds: 77, nanoseconds: 7))
            }
            let root = try #require(try store.snapshot(of: 2, parents: [1]).entries["."]).status
            #expect(root.permissions == 0o750)
            #expect(root.uid == 3)
            #expect(root.gid == 4)
            #expect(root.modified == Timestamp(seconds: 77, nanoseconds: 7))
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `the target starts with the attributes of the parent's root`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try store.build(1) { try RichTree.fill(try Directory(opening: $0)) }
            let parent = try store.snapshot(of: 1)
            try store.apply(2, parents: [1]) { _ in }
            expectSame(try store.snapshot(of: 2, parents: [1]), parent)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `what lies below the target is the parent's tree`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try buildParent(store)
            try store.create(2, parents: [1])
            let target = try store.driver.applyTarget(for: 2, parents: [1])
            let found = try treeChanges(DiffSource(old: .empty, new: target.lower))
            let shown = try store.snapshot(of: 1).paths
            #expect(found.map { $0.path.description } == shown)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a layer tar makes the same tree on every driver`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try buildParent(store)
            let members = [
                LayerMember(ArchiveEntry(path: "new/", kind: .directory, permissions: 0o755)),
                file("new/file"), file("kept/.wh..wh..opq"), file(".wh.file"),
            ]
            let bytes = try LayerTar.bytes(of: members)
            try store.apply(2, parents: [1]) { target in
                _ = try unpackLayer(from: MemorySource(bytes), into: target)
            }
            #expect(
                try store.snapshot(of: 2, parents: [1]).paths
                    == ["full", "full/below", "full/below/file", "kept", "new", "new/file"])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `an unknown layer is not found`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            let target = #expect(throws: DriverError.self) {
                try store.driver.applyTarget(for: 9, parents: [])
            }
            #expect(target?.code == .layerNotFound)
            let finish = #expect(throws: DriverError.self) {
                try store.driver.finishApply(of: 9, parents: [], observer: .none)
            }
            #expect(finish?.code == .layerNotFound)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `stopping the end of an apply leaves what remove clears`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try store.create(1)
            let target = try store.driver.applyTarget(for: 1, parents: [])
            try target.write("file", "x")
            let observer = WorkObserver(isCancelled: { true })
            do throws(DriverError) {
                try store.driver.finishApply(of: 1, parents: [], observer: observer)
            } catch {
                #expect(error.code == .cancelled)
            }
            try store.driver.remove(1)
            try store.driver.reclaim(observer: .none)
            #expect(try store.driver.inventory().isEmpty)
        }
    }
}
