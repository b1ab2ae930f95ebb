// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// A container nests directories as deep as it likes: what reads its layer takes little memory and few
/// descriptors, and what no archive can say is refused by name.
@Suite(.serialized) struct DeepTreeTests {
    private static let levels = SeededGenerator.isSoak ? 30_000 : 7_000

    /// Makes a layer in which directories are nested.
    private func nest(_ levels: Int, in layer: String, _ store: BadInputStore) throws {
        try store.command.succeed("create", "--id", layer)
        try store.command.withMount(layer) { place in
            var directory = try Directory(opening: place)
            for _ in 0..<levels {
                try directory.makeDirectory("d", permissions: 0o755)
                directory = try directory.openDirectory("d")
            }
            let file = try directory.open("file", [.create, .writeOnly], permissions: 0o644)
            try file.write("x")
        }
    }

    /// Runs a command, which must stay within the memory.
    private func run(
        _ store: BadInputStore, _ arguments: String..., wrapper: [String] = [],
        outputTo: FilePath? = nil
    ) throws -> GraphctlResult {
        let result = try store.command.run(arguments, wrapper: wrapper, outputTo: outputTo)
        #expect(result.peakBytes < memoryMax, "\(arguments): \(result.peakBytes) bytes")
        return result
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a tree deeper than any path is listed, and refused by name at its commit`(
        _ subject: DriverUnderTest
    ) throws {
        let levels = Self.levels
        try BadInputStore.with(subject) { store in
            try nest(levels, in: "box", store)
            let output = store.file("output")
            let changes = try run(store, "changes", "box", outputTo: output)
            #expect(changes.status == 0, "\(changes.errors)")
            // Of each directory `A /`, one name for itself and each above it, slashes between, a line
            // end; and the file, which adds six bytes to the deepest of them.
            let bytes = levels * (levels + 1) + 3 * levels + 2 * levels + 8
            let counted = try runCommand("wc", ["-lc", output.string]).split(separator: " ")
            #expect(counted.first == "\(levels + 1)")
            #expect(counted.dropFirst().first.flatMap { Int($0) } == bytes)
            for arguments in [["commit", "box"], ["diff", "box"]] {
                let result = try store.command.run(arguments, outputTo: output)
                #expect(result.peakBytes < memoryMax, "\(arguments): \(result.peakBytes) bytes")
                #expect(result.status == 1)
                #expect(
                    result.errors.contains("is a path of 4097 bytes"), "\(result.errors)")
            }
            #expect(try run(store, "usage", "box").status == 0)
            var random = SeededGenerator(seed: SeededGenerator.runSeed)
            for command in ["changes", "diff", "commit", "changes"] {
                let seconds = Double.random(in: 0...changes.seconds, using: &random)
                try store.expectStop([command, "box"], after: seconds, outputTo: output)
            }
            // The way out that the refusal names.
            try store.command.withMount("box") {
                _ = try Directory(opening: $0).removeTree("d")
            }
            try store.command.succeed("commit", "box")
            try nest(levels, in: "other", store)
            #expect(try run(store, "rm", "box", "other").status == 0)
            try output.remove()
            try store.command.succeed("gc")
            try store.expectNothingLeft("after removing")
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a tree as deep as a path can be comes back with few descriptors`(
        _ subject: DriverUnderTest
    ) throws {
        let few = ["prlimit", "--nofile=224:224"]
        try BadInputStore.with(subject) { store in
            try nest(2_000, in: "box", store)
            try store.command.succeed("commit", "box")
            let (tar, again) = (store.file("diff.tar"), store.file("again.tar"))
            let diff = try run(store, "diff", "box", "--output", tar.string, wrapper: few)
            #expect(diff.status == 0, "\(diff.errors)")
            let applied = try run(store, "apply", "--id", "copy", tar.string, wrapper: few)
            #expect(applied.status == 0, "\(applied.errors)")
            let canonical = try run(
                store, "diff", "--canonical", "copy", "--output", again.string, wrapper: few)
            #expect(canonical.status == 0, "\(canonical.errors)")
            try runCommand("cmp", [tar.string, again.string])
            try store.command.succeed("rm", "box", "copy")
        }
    }

    /// What a layer may have, a layer above may delete, and both can be written and applied.
    @Test(arguments: DriverUnderTest.usable)
    func `the longest path there is can be deleted`(_ subject: DriverUnderTest) throws {
        try BadInputStore.with(subject) { store in
            // 4,095 bytes with the name of the file.
            let directories = String(repeating: "d/", count: 2_045)
            let tar = store.file("long.tar")
            try RawTar.write(tar) { tar in
                try tar.addRecords([("path", Array("\(directories)12345".utf8))])
                try tar.add("12345")
            }
            try store.withLayer(of: tar) { layer in
                try store.command.succeed("create", "--id", "box", "--parent", layer)
                try store.command.withMount("box") { place in
                    var directory = try Directory(opening: place)
                    for _ in 0..<2_045 { directory = try directory.openDirectory("d") }
                    try directory.removeFile("12345")
                }
                try store.command.succeed("commit", "box")
                let diff = store.file("diff.tar")
                try store.command.succeed("diff", "box", "--output", diff.string)
                try store.command.succeed(
                    "apply", "--id", "again", "--parent", layer, diff.string)
                #expect(try store.command.succeed("changes", "again").lines.last?.first == "D")
                try store.command.succeed("rm", "again", "box")
            }
        }
    }
}
