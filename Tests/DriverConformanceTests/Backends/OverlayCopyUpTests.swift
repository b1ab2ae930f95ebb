// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphCore
import GraphOverlay
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What is promised of files that are copied up before anybody writes to them.
@Suite(.serialized) struct OverlayCopyUpTests {
    @Test(.usable("overlay"))
    func `a file that was copied up is the layer's own, and no change`() throws {
        try Self.withLayer { store, diff in
            try store.driver.withCopyUp().copyUp(
                ["/data/a", "/link"], in: 2, parents: [1], observer: .none)
            #expect(Self.has(diff, "data/a"))
            #expect(Self.has(diff, "etc/passwd"), "links are followed in the layer")
            #expect(!Self.has(diff, "data/sub/b"))
            let source = try store.driver.diffSource(of: 2, parents: [1], from: 1, baseParents: [])
            #expect(try treeChanges(source).isEmpty)

            // The first write finds it there.
            let before = try Directory(opening: diff.appending("data")).status(of: "a")
            try store.withTree(of: 2, parents: [1], writable: true) {
                try $0.appending("data/a").write("written")
            }
            let after = try Directory(opening: diff.appending("data")).status(of: "a")
            #expect(after.inode == before.inode)
            #expect(try store.snapshot(of: 1).entries["data/a"]?.status.size == 3)
        }
    }

    @Test(.usable("overlay"))
    func `of a directory all files are meant, but those with further names`() throws {
        try Self.withLayer { store, diff in
            let shown = try store.snapshot(of: 2, parents: [1])
            try store.driver.withCopyUp().copyUp(["/"], in: 2, parents: [1], observer: .none)
            for name in ["data/a", "data/sub/b", "etc/passwd"] {
                #expect(Self.has(diff, name), "\(name)")
            }
            for name in ["twin", "other", "fifo"] {
                #expect(!Self.has(diff, name), "\(name)")
            }
            expectSame(try store.snapshot(of: 2, parents: [1]), shown)
        }
    }

    @Test(
        .usable("overlay"),
        arguments: ["/none", "/fifo", "/data/a/none", "/loop", "../none", ""])
    func `what is not there is refused by its name`(_ path: String) throws {
        try Self.withLayer { store, diff in
            let error = #expect(throws: DriverError.self) {
                try store.driver.withCopyUp().copyUp(
                    [RawPath(path)], in: 2, parents: [1], observer: .none)
            }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("directory \(path) in") == true)
            let made = try Directory(opening: diff).listing()
            #expect(made.isEmpty)
        }
    }

    @Test(.usable("overlay")) func `copying up stops on request`() throws {
        try Self.withLayer { store, diff in
            let error = #expect(throws: DriverError.self) {
                try store.driver.withCopyUp().copyUp(
                    ["/data"], in: 2, parents: [1], observer: WorkObserver(isCancelled: { true }))
            }
            #expect(error?.code == .cancelled)
            #expect(!Self.has(diff, "data/a"))
        }
    }

    private static func has(_ tree: FilePath, _ path: String) -> Bool {
        FileManager.default.fileExists(atPath: tree.appending(path).string)
    }

    /// Lends a store with layer 2 on layer 1, and the directory of 2's changes.
    private static func withLayer(_ body: (TestStore, FilePath) throws -> Void) throws {
        try DriverUnderTest(OverlayDriver.self).withDriver { store in
            try store.build(1) { tree in
                try tree.appending("data").makeDirectory()
                try tree.appending("data/sub").makeDirectory()
                try tree.appending("etc").makeDirectory()
                for name in ["data/a", "data/sub/b", "etc/passwd", "twin"] {
                    try tree.appending(name).write("old")
                }
                let top = try Directory(opening: tree)
                try top.makeHardLink("other", to: "twin", in: top)
                try top.makeSymbolicLink("link", to: "/etc/passwd")
                try top.makeSymbolicLink("loop", to: "loop")
                try top.makeSpecial("fifo", .fifo, permissions: 0o644)
            }
            try store.create(2, parents: [1])
            try body(store, store.root.appending("overlay/2/diff"))
            let mounted = try MountPoint.all().map(\.description)
            #expect(!mounted.contains { $0.hasPrefix(store.root.string) })
        }
    }
}
