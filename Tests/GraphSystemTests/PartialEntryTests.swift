// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What is being made beside its place, and what is left of it when its maker dies.
@Suite struct PartialEntryTests {
    @Test func `who makes the same at the same time has another name, and loses nothing`() throws {
        try withScratchRoot { directory in
            let parent = try Directory(opening: directory)
            let first = try PartialEntry.makeFile(of: "out", in: parent, permissions: 0o600)
            try first.descriptor.write("first")
            let second = try PartialEntry.makeFile(of: "out", in: parent, permissions: 0o600)
            let third = try PartialEntry.makeDirectory(of: "out", in: parent, permissions: 0o700)
            let names = [first.name, second.name, third.name]
            #expect(
                names == [".out.graph-partial", ".out.1.graph-partial", ".out.2.graph-partial"])
            #expect(try directory.names == names.map(\.description).sorted())
            #expect(try directory.appending(".out.graph-partial").readText() == "first")
            // In use to here.
            #expect(try first.descriptor.status().size == 5)
            #expect(try second.descriptor.status().links == 1)
            #expect(try third.directory().listing().isEmpty)
        }
    }

    @Test func `what dead ones left is removed by the next, however many they were`() throws {
        try withScratchRoot { directory in
            let parent = try Directory(opening: directory)
            // A lock ends with the last descriptor of its file, as in a process that is killed.
            func leave() throws {
                let first = try PartialEntry.makeFile(of: "out", in: parent, permissions: 0o600)
                try first.descriptor.write("left")
                let second = try PartialEntry.makeDirectory(
                    of: "out", in: parent, permissions: 0o700)
                let third = try PartialEntry.makeFile(of: "out", in: parent, permissions: 0o600)
                let names = [first.name, second.name, third.name]
                let inner = second.directory()
                try inner.makeDirectory("inner", permissions: 0o700)
                #expect(try parent.listing().count == names.count)
                #expect(try first.descriptor.status().links == 1)
                #expect(try third.descriptor.status().links == 1)
            }
            try leave()
            #expect(try directory.names.count == 3)
            let next = try PartialEntry.makeFile(of: "out", in: parent, permissions: 0o640)
            #expect(next.name == ".out.graph-partial")
            #expect(try directory.names == [".out.graph-partial"])
            let status = try next.file().status()
            #expect(status.size == 0 && status.permissions == 0o640)
        }
    }

    @Test func `a link and a pipe of that name are somebody else's`() throws {
        try withScratchRoot { directory in
            let parent = try Directory(opening: directory)
            try directory.appending("target").write("kept")
            try parent.makeSymbolicLink(".out.graph-partial", to: "target")
            try parent.makeSpecial(".out.1.graph-partial", .fifo, permissions: 0o600)
            let made = try PartialEntry.makeFile(of: "out", in: parent, permissions: 0o600)
            #expect(made.name == ".out.2.graph-partial")
            #expect(
                try directory.names
                    == [
                        ".out.1.graph-partial", ".out.2.graph-partial", ".out.graph-partial",
                        "target",
                    ])
            #expect(try directory.appending("target").readText() == "kept")
            #expect(try made.file().status().size == 0)
        }
    }

    @Test func `a name as long as names can be is cut off`() throws {
        try withScratchRoot { directory in
            let parent = try Directory(opening: directory)
            let name = RawPath(String(repeating: "\u{e4}", count: 127))
            let made = try PartialEntry.makeFile(of: name, in: parent, permissions: 0o600)
            #expect(made.name.count < 255)
            try parent.rename(made.name, to: name, in: parent)
            #expect(try made.file().status().links == 1)
        }
    }

    @Test func `makers of the same that meet have each their own, and leave nothing`() async throws
    {
        let directory = testBase.appending(
            "graph-partial-" + String(UInt64.random(in: .min ... .max), radix: 16))
        try directory.makeDirectory()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<16 {
                group.addTask {
                    let parent = try Directory(opening: directory)
                    for _ in 0..<50 {
                        let made = try PartialEntry.makeFile(
                            of: "out", in: parent, permissions: 0o600)
                        try made.descriptor.write("\(number)")
                        try parent.rename(made.name, to: RawPath("out-\(number)"), in: parent)
                        #expect(try made.file().status().links == 1)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try directory.names == (0..<16).map { "out-\($0)" }.sorted())
        for number in 0..<16 {
            #expect(try directory.appending("out-\(number)").readText() == "\(number)")
        }
        try directory.remove()
    }
}
