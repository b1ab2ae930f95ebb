// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What `diff` writes of layers that a tar cannot hold as they are, and what it is told by the environment.
@Suite(.serialized) struct DiffFormTests {
    private func with(
        _ subject: DriverUnderTest, _ body: (GraphctlCommand) throws -> Void
    ) throws {
        try subject.withDirectory { directory in
            try body(GraphctlCommand(driver: subject.name, directory: directory))
        }
    }

    private func names(in tar: FilePath) throws -> [String] {
        try runCommand("tar", ["-tf", tar.string]).split(separator: "\n").map(String.init)
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a layer with names that mean deletions is sealed, and only its tar is refused`(
        _ subject: DriverUnderTest
    ) throws {
        try with(subject) { command in
            try command.succeed("create", "--id", "work")
            try command.withMount("work") { (place: FilePath) throws in
                try place.appending(".wh.folder").makeDirectory()
                try place.pushing(".wh.folder/inside").write("x")
                try place.appending("kept").write("x")
                try place.appending("kept.wh.too").write("x")
            }
            let commit = try command.run(["commit", "work"])
            #expect(commit.status == 0)
            #expect(commit.errors.contains(": warning: it has names that begin with .wh."))
            let tar = command.directory.appending("work.tar")
            let refused = try command.run(["diff", "work", "-o", tar.string])
            #expect(refused.status == 1)
            #expect(refused.errors.contains("/.wh.folder cannot be put into a layer tar"))
            #expect(refused.errors.contains("--skip-unrepresentable"))
            #expect(try !tar.exists)
            let skipped = try command.run([
                "diff", "work", "--skip-unrepresentable", "-o", tar.string,
            ])
            #expect(skipped.status == 0)
            #expect(skipped.errors.contains("mean deletions in a layer tar: 1, first /.wh.folder"))
            #expect(try names(in: tar) == ["kept", "kept.wh.too"])
            try command.succeed("apply", tar.string)
            #expect(try command.succeed("check", "--deep").text == "")
            // A child shows them, and the tar of one that removes them cannot be written either.
            try command.succeed("create", "--parent", "work", "--id", "child")
            try command.withMount("child") { (place: FilePath) throws in
                #expect(try place.pushing(".wh.folder/inside").readText() == "x")
                try place.pushing(".wh.folder/inside").remove()
                try place.appending(".wh.folder").remove()
            }
            #expect(try command.succeed("changes", "child").lines == ["D /.wh.folder"])
            #expect(try command.run(["diff", "child", "-o", tar.string]).status == 1)
            let without = try command.run([
                "--json", "diff", "child", "--skip-unrepresentable", "-o", tar.string,
            ])
            #expect(without.text.contains(#""kind": "whiteout_name""#))
            #expect(try names(in: tar) == [])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `no time is later than SOURCE_DATE_EPOCH, but in the tar that was applied`(
        _ subject: DriverUnderTest
    ) throws {
        try with(subject) { command in
            let files = command.directory.appending("files")
            try files.makeDirectory()
            for name in ["new", "old"] { try files.appending(name).write(name) }
            try runCommand("touch", ["-d", "@1000000000.5", files.appending("old").string])
            try runCommand("touch", ["-d", "@1500000000.5", files.appending("new").string])
            let tar = command.directory.appending("files.tar")
            try runCommand(
                "tar", ["-C", files.string, "--format=posix", "-cf", tar.string, "new", "old"])
            try command.succeed("apply", "--id", "applied", tar.string)
            func diff(_ epoch: String, _ arguments: String...) throws -> GraphctlResult {
                try command.run(
                    ["diff", "applied", "-o", command.directory.appending("out.tar").string]
                        + arguments, wrapper: ["SOURCE_DATE_EPOCH=\(epoch)"])
            }
            func times() throws -> [String] {
                try runCommand(
                    "tar",
                    ["--utc", "--full-time", "-tvf", command.directory.appending("out.tar").string]
                ).split(separator: "\n").map {
                    $0.split(separator: " ")[4...].joined(separator: " ")
                }
            }
            let out = command.directory.appending("out.tar")
            #expect(try diff("1200000000", "--canonical").status == 0)
            #expect(try times() == ["21:20:00 new", "01:46:40.5 old"])
            #expect(try diff("", "--canonical").status == 0)
            #expect(try times() == ["02:40:00.5 new", "01:46:40.5 old"])
            #expect(try diff("1200000000").status == 0)
            #expect(try runCommand("cmp", [out.string, tar.string]) == "")
            for bad in ["yesterday", "1.5", "0x10", " 1"] {
                let result = try diff(bad, "--canonical")
                #expect(result.status == 1, "\(bad)")
                #expect(result.errors.contains("no number of seconds"), "\(bad)")
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a base layer's tar names the root only where it is unusual`(
        _ subject: DriverUnderTest
    ) throws {
        try with(subject) { command in
            let tar = command.directory.appending("base.tar")
            for (id, mode, members) in [
                ("usual", nil as UInt16?, ["a"]), ("odd", 0o700, ["./", "a"]),
            ] {
                try command.succeed("create", "--id", id)
                try command.withMount(id) { (place: FilePath) throws in
                    try place.appending("a").write("x")
                    let time = Timestamp(seconds: 5)
                    try Directory(opening: place).setTimes(of: "a", time)
                    if let mode { try Directory(opening: place).setPermissions(of: ".", mode) }
                }
                try command.succeed("commit", id)
                try command.succeed("diff", id, "-o", tar.string)
                #expect(try names(in: tar) == members)
                let again = try command.succeed("apply", tar.string).text
                try command.withView(of: again) { (place: FilePath) throws in
                    let root = try Directory(opening: place).status()
                    #expect(root.permissions == mode ?? 0o755)
                }
            }
        }
    }
}
