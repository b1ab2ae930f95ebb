// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Flags of files as chattr(1) sets them, on every driver: they are no part of a layer and decide nothing.
@Suite(.serialized, .enabled(if: Machine.isRoot, "flags are root's"))
struct FileFlagTests {
    @Test(arguments: DriverUnderTest.usable)
    func `a layer in which files were made immutable is built on, applied to, compared and removed`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDirectory { directory in
            let command = GraphctlCommand(driver: subject.name, directory: directory)
            try command.succeed("create", "--id", "base")
            try command.withMount("base") { (place: FilePath) throws -> Void in
                try runCommand(
                    "bash",
                    [
                        "-euc",
                        """
                        cd "$0"; mkdir -p dd/sub gone; echo old | tee dd/f dd/g gone/f >log
                        chattr +i dd/f dd/sub gone/f; chattr +a log dd/g; chattr +i dd gone .
                        """, place.string,
                    ])
            }
            try command.succeed("commit", "base")
            try expectNoFlags("base", command)
            let tar = directory.appending("top.tar")
            try RawTar.write(
                tar, ["dd/f = new", "dd/g/inside = new", ".wh.gone", "log = new", "more = new"])
            try command.succeed("apply", "--parent", "base", "--id", "top", tar.string)
            try command.withView(of: "top") { (place: FilePath) throws -> Void in
                #expect(
                    try TreeSnapshot.sketch(of: place)
                        == [
                            "dd/f = new", "dd/g/inside = new", "dd/sub/", "log = new", "more = new",
                        ])
            }
            // Nothing but flags: no change, and none for those above.
            try command.succeed("create", "--id", "flags", "--parent", "base")
            try command.withMount("flags") { (place: FilePath) throws -> Void in
                try runCommand(
                    "bash",
                    ["-euc", #"cd "$0"; chattr +i dd/f dd gone; chattr +a log"#, place.string])
            }
            try command.succeed("commit", "flags")
            try expectNoFlags("flags", command)
            #expect(try command.succeed("diff", "flags").output.allSatisfy { $0 == 0 })
            try command.succeed("create", "--id", "work", "--parent", "flags")
            try command.withMount("work") { (place: FilePath) throws -> Void in
                let script =
                    #"cd "$0"; printf 2 >dd/f; printf 2 >dd/new; rm -r gone log dd/g; printf 2 >more"#
                try runCommand("bash", ["-euc", script, place.string])
            }
            #expect(
                try command.succeed("changes", "work").lines == [
                    "M /dd", "M /dd/f", "D /dd/g", "A /dd/new", "D /gone", "D /log", "A /more",
                ])
            #expect(try command.succeed("check", "--deep").text == "")
            try command.succeed("rm", "work", "flags", "top", "base")
            try command.succeed("gc")
            #expect(try command.succeed("ls", "-q").lines == [])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func
        `wherever flags were set, a layer is the same without them, and all of it may change above`(
            _ subject: DriverUnderTest
        ) throws
    {
        for index in 0..<(SeededGenerator.isSoak ? 200 : 2) {
            let seed = SeededGenerator.runSeed &* 31_337 &+ UInt64(index)
            try subject.withDirectory { directory in
                let command = GraphctlCommand(driver: subject.name, directory: directory)
                var random = SeededGenerator(seed: seed)
                for (layer, parent) in [("base", []), ("top", ["--parent", "base"])] {
                    try command.succeed(["create", "--id", layer] + parent)
                    let made = try command.withMount(layer) { place in
                        var changes = try RandomChanges(below: place, random: random)
                        if layer == "base" { try changes.fill(count: 25) }
                        random = try changes.change(times: 15)
                        try setFlags(try TreeSnapshot(of: place), place, &random)
                        // An overlay copies a file for its flags, which then is one with no other name.
                        return try TreeSnapshot(of: place)
                    }
                    try command.succeed("commit", layer)
                    try expectNoFlags(layer, command)
                    try command.withView(of: layer) { (place: FilePath) throws -> Void in
                        var (tree, wanted) = (try TreeSnapshot(of: place), made)
                        // Sockets and the time of the root are no part of a layer on every driver.
                        for path in made.entries.keys
                        where path == "." || made.entries[path]?.status.type == .socket {
                            (tree.entries[path], wanted.entries[path]) = (nil, nil)
                        }
                        #expect(tree.differences(from: wanted) == [], "seed \(seed)")
                    }
                }
                try command.succeed("create", "--id", "work", "--parent", "top")
                try command.withMount("work") { (place: FilePath) throws -> Void in
                    try runCommand(
                        "bash",
                        [
                            "-euc",
                            #"cd "$0"; find . -type d -exec touch {}/new \;; find . -mindepth 1 -delete"#,
                            place.string,
                        ])
                }
            }
        }
    }

    private func setFlags(
        _ tree: TreeSnapshot, _ place: FilePath, _ random: inout SeededGenerator
    ) throws {
        // From the bottom up: what is in an immutable directory can be changed still. A file once, whatever
        // its names are: the other flags of an immutable one stay as they are.
        var flagged: Set<FileIdentity> = []
        for path in tree.entries.keys.sorted().reversed() {
            guard let status = tree.entries[path]?.status, random.chance(40),
                status.type == .regular || status.type == .directory,
                flagged.insert(status.identity).inserted
            else { continue }
            let flag = random.chance(70) ? "+i" : "+a"
            try runCommand("chattr", [flag, place.pushing(FilePath(path.description)).string])
        }
    }

    private func expectNoFlags(_ layer: String, _ command: GraphctlCommand) throws {
        try command.withView(of: layer) { (place: FilePath) throws -> Void in
            let locked = try TreeSnapshot(of: place).entries.filter(\.value.status.isLocked).keys
            #expect(locked.isEmpty, "\(layer): \(locked)")
        }
    }
}
