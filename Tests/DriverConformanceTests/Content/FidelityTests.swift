// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What every driver keeps of files: all that a filesystem knows.
@Suite(.serialized) struct FidelityTests {
    @Test(arguments: DriverUnderTest.usable)
    func `a child shows everything of its parent as it is`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try store.build(1) { try RichTree.fill(try Directory(opening: $0)) }
            let parent = try store.snapshot(of: 1)
            #expect(parent.entries.count >= 20)
            try store.create(2, parents: [1])
            let child = try store.withTree(of: 2, parents: [1], writable: true) {
                try TreeSnapshot(of: $0)
            }
            expectSame(child, parent)
            let sparse = try #require(child.entries["sparse"])
            #expect(sparse.status.allocatedBytes < 1 << 20)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `what a container makes is kept by the layers above it`(_ subject: DriverUnderTest) throws
    {
        try subject.withDriver { store in
            try store.build(1) { _ in }
            try store.build(2, parents: [1]) { try RichTree.fill(try Directory(opening: $0)) }
            let made = try store.snapshot(of: 2, parents: [1])
            try store.build(3, parents: [2, 1]) { _ in }
            try store.build(4, parents: [3, 2, 1]) { try $0.appending("one more").write("x") }
            var top = try store.snapshot(of: 4, parents: [3, 2, 1])
            top.entries["one more"] = nil
            top.entries["."] = made.entries["."]
            expectSame(top, made)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `what an apply writes is kept`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try store.create(1)
            let target = try store.driver.applyTarget(for: 1, parents: [])
            try RichTree.fill(target.directory)
            let written = try TreeSnapshot(of: target.directory)
            try store.driver.finishApply(of: 1, parents: [], observer: .none)
            try store.driver.seal(1, parents: [], durability: .unsynced)
            expectSame(try store.snapshot(of: 1), written, in: .withHoles)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a layer diffed and applied again is the same layer`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("base").write("x") }
            try store.build(2, parents: [1]) { path in
                try RichTree.fill(try Directory(opening: path))
                // Sockets are of processes and not of layers.
                try path.appending("socket").remove()
            }
            let source = try store.driver.diffSource(of: 2, parents: [1], from: 1, baseParents: [])
            let sink = MemorySink()
            try writeTreeDiff(source, to: sink)
            try store.apply(3, parents: [1]) { target in
                _ = try unpackLayer(from: MemorySource(sink.bytes), into: target)
            }
            let made = try store.snapshot(of: 2, parents: [1])
            expectSame(try store.snapshot(of: 3, parents: [1]), made)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a thousand files with one another's names, on all processors, stay linked`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try store.build(1) { path in
                let root = try Directory(opening: path)
                for index in 0..<20 { try path.appending("d\(index)").makeDirectory() }
                for index in 0..<300 {
                    try path.appending("d\(index % 20)/\(index)").write("\(index)")
                    for other in [3, 7, 11] {
                        try root.makeHardLink(
                            RawPath("d\((index + other) % 20)/\(index) from \(other)"),
                            to: RawPath("d\(index % 20)/\(index)"), in: root)
                    }
                }
            }
            let parent = try store.snapshot(of: 1)
            try store.build(2, parents: [1]) { _ in }
            expectSame(try store.snapshot(of: 2, parents: [1]), parent)
        }
    }
}

extension TreeSnapshot.Aspects {
    /// Holes too, where the very files are looked at again.
    static let withHoles = standard.union(.holes)
}
