// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What `removeTree` and its kin promise.
@Suite struct TreeRemovalTests {
    @Test func `a name that does not exist is removed already`() throws {
        try withScratchRoot { root in
            let outcome = try Directory(opening: root).removeTree("nothing")
            #expect(outcome.isComplete)
            #expect(outcome.freedBytes == 0)
        }
    }

    @Test func `symbolic links are removed and not followed`() throws {
        try withScratchRoot { root in
            try root.appending("precious").makeDirectory()
            try root.appending("precious/file").write("x")
            try root.appending("tree").makeDirectory()
            let directory = try Directory(opening: root)
            try directory.openDirectory("tree").makeSymbolicLink("link", to: "../precious")
            try directory.makeSymbolicLink("top", to: "precious")
            try directory.removeTree("tree")
            try directory.removeTree("top")
            #expect(try root.names == ["precious"])
            #expect(try root.appending("precious/file").exists)
        }
    }

    @Test(.enabled(if: Machine.isRoot, "needs mounts"))
    func `what is mounted in the tree stops the removal`() throws {
        try withScratchRoot { root in
            for name in ["same", "other", "tree", "tree/below", "tree/below/place"] {
                try root.appending(name).makeDirectory()
            }
            try root.appending("same/file").write("x")
            let place = root.appending("tree/below/place")
            let directory = try Directory(opening: root)

            try Mount(.bind(root.appending("same"))).attach(at: place)
            let same = #expect(throws: SyscallError.self) { try directory.removeTree("tree") }
            #expect(same?.errno == .resourceBusy)
            try MountPoint(place).unmount()

            try runCommand("mount", ["-t", "tmpfs", "tmpfs", place.string])
            try place.appending("file").write("x")
            let other = #expect(throws: SyscallError.self) { try directory.removeTree("tree") }
            #expect(other?.errno == .resourceBusy)
            #expect(try place.appending("file").exists)
            try MountPoint(place).unmount()

            try directory.removeTree("tree")
            #expect(try root.names == ["other", "same"])
            #expect(try root.appending("same/file").exists)
        }
    }

    @Test func `a file counts when its last name goes`() throws {
        try withScratchRoot { root in
            try root.appending("tree").makeDirectory()
            let directory = try Directory(opening: root)
            let file = try directory.open(
                "tree/file", [.create, .writeOnly], permissions: 0o600)
            try file.write([UInt8](repeating: 1, count: 1 << 20).span)
            try file.sync()
            for name in ["tree/a", "tree/b", "outside"] {
                try directory.makeHardLink(RawPath(name), to: "tree/file", in: directory)
            }
            let first = try directory.removeTree("tree").freedBytes
            #expect(first < 1 << 20)
            let second = try directory.removeTree("outside").freedBytes
            #expect(second >= 1 << 20)
        }
    }

    @Test func `a stopped removal goes on where it was`() throws {
        try withScratchRoot { root in
            try root.appending("tree").makeDirectory()
            let tree = try Directory(opening: root.appending("tree"))
            for index in 0..<2_000 {
                _ = try tree.open(
                    RawPath("\(index)"), [.create, .writeOnly], permissions: 0o600)
            }
            let directory = try Directory(opening: root)
            var rounds = 0
            while rounds < 100 {
                var asked = 0
                let outcome = try directory.removeTree("tree") {
                    asked += 1
                    return asked > 1
                }
                rounds += 1
                if outcome.isComplete { break }
            }
            #expect(rounds > 2)
            #expect(rounds < 20)
            #expect(try root.names.isEmpty)
        }
    }

    @Test func `a tree that is deep and wide needs few descriptors`() throws {
        try withScratchRoot { root in
            try root.appending("tree").makeDirectory()
            var level = try Directory(opening: root.appending("tree"))
            for depth in 0..<1_200 {
                try level.makeDirectory("side", permissions: 0o755)
                _ = try level.open(
                    RawPath("file \(depth)"), [.create, .writeOnly], permissions: 0o600)
                level = try level.makeOrOpenDirectory("down", permissions: 0o755)
            }
            let directory = try Directory(opening: root)
            let usage = try TreeUsage(of: directory.openDirectory("tree"))
            #expect(usage.inodes == 3_601)
            var most = 0
            try directory.removeTree("tree") {
                most = max(most, Holdings.current(below: root).descriptors.count)
                return false
            }
            #expect(most < 40)
            #expect(try root.names.isEmpty)
        }
    }

    @Test func `whiteouts are removed at every depth, and times stay`() throws {
        try withScratchRoot { root in
            try root.appending("a").makeDirectory()
            try root.appending("a/b").makeDirectory()
            try root.appending("a/b/file").write("x")
            let below = try Directory(opening: root.appending("a/b"))
            try below.makeSpecial("gone", .characterDevice, permissions: 0)
            try below.setTimes(of: ".", Timestamp(seconds: 5, nanoseconds: 6))
            try WhiteoutRemoval(of: .characterDevice)
                .run(in: Directory(opening: root.appending("a"))) {
                    (status, _, _) in status.isWhiteoutDevice
                }
            #expect(try root.appending("a/b").names == ["file"])
            let status = try below.status()
            #expect(status.modified == Timestamp(seconds: 5, nanoseconds: 6))
        }
    }
}
