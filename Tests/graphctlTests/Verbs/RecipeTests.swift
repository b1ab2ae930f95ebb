// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphTestSupport
import SystemPackage
import Testing

/// An applied tar comes back byte for byte, and a deep check notices what has changed.
struct RecipeTests {
    /// Lends a store and a directory of files that every dialect has its own way to write.
    private func withStore(
        _ subject: DriverUnderTest, _ body: (GraphctlCommand, FilePath) throws -> Void
    ) throws {
        try subject.withDirectory { root in
            let files = root.appending("files")
            let script = """
                mkdir -p "$1/d/$(printf 'n%.0s' {1..60})"
                echo content >"$1/d/file"; : >"$1/empty"
                echo long >"$1/d/$(printf 'n%.0s' {1..60})/$(printf 'm%.0s' {1..90})"
                ln -s file "$1/d/link"; ln "$1/d/file" "$1/hard"
                ln -s "$(printf 't%.0s' {1..150})" "$1/long-link"
                truncate -s 3M "$1/sparse"; echo middle | dd of="$1/sparse" bs=1M seek=1 conv=notrunc
                echo end | dd of="$1/sparse" bs=1 seek=3000000 conv=notrunc
                """
            try runCommand("bash", ["-ec", script, "files", files.string])
            try body(GraphctlCommand(driver: subject.name, directory: root), files)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a file that is named nearly as a recipe is is foreign, and stays`(
        _ subject: DriverUnderTest
    ) throws {
        try withStore(subject) { graphctl, files in
            let tar = graphctl.directory.appending("tar")
            try runCommand("tar", ["-C", files.string, "-cf", tar.string, "."])
            let id = try graphctl.succeed("apply", tar.string).text
            let recipes = graphctl.root.appending("recipes")
            let names = try FileManager.default.contentsOfDirectory(atPath: recipes.string)
            let name = "00" + (try #require(names.first))
            let stray = recipes.appending(name)
            try stray.write("stray")
            for _ in 0..<2 {
                let findings = try graphctl.run(["check"]).text
                #expect(findings.contains("recipes/\(name)"))
                #expect(findings.contains("foreign_file") && !findings.contains("unowned"))
                try graphctl.succeed("gc")
                #expect(try stray.exists)
                if try graphctl.succeed("ls", "-q").text != "" { try graphctl.succeed("rm", id) }
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `an applied tar comes back byte for byte`(_ subject: DriverUnderTest) throws {
        let dialects = [
            ["--format=v7", "--exclude=*nnn*", "--exclude=long-link"],
            ["--format=ustar", "--exclude=long-link"],
            ["--format=gnu"], ["--format=oldgnu", "--sparse"], ["--format=gnu", "--sparse"],
            ["--format=posix"], ["--format=posix", "--sparse", "--sparse-version=0.0"],
            ["--format=posix", "--sparse", "--sparse-version=0.1"],
            ["--format=posix", "--sparse", "--sparse-version=1.0"],
            ["--format=gnu", "--blocking-factor=200"], ["--format=posix", "--hard-dereference"],
        ]
        try withStore(subject) { graphctl, files in
            for dialect in dialects {
                let (tar, again) = (
                    graphctl.directory.appending("tar"), graphctl.directory.appending("again")
                )
                try runCommand("tar", dialect + ["-C", files.string, "-cf", tar.string, "."])
                let id = try graphctl.succeed("apply", tar.string).text
                try graphctl.succeed("diff", "--output", again.string, id)
                try runCommand("cmp", [tar.string, again.string])
                // The canonical form is another tar of the same tree.
                try graphctl.succeed("diff", "--canonical", "--output", again.string, id)
                let other = try graphctl.succeed("apply", "--id", "other", again.string).text
                #expect(try graphctl.succeed("changes", "--from", other, id).text == "")
                try graphctl.succeed("rm", other, id)
            }
            #expect(try graphctl.succeed("check", "--deep").text == "")
            let recipes = graphctl.root.appending("recipes")
            #expect(try FileManager.default.contentsOfDirectory(atPath: recipes.string) == [])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a deep check tells what is not as it was applied`(_ subject: DriverUnderTest) throws {
        try withStore(subject) { graphctl, files in
            let tar = graphctl.directory.appending("tar")
            try runCommand("tar", ["-C", files.string, "-cf", tar.string, "."])
            let base = try graphctl.succeed("apply", "--id", "base", tar.string).text
            try runCommand(
                "bash", ["-ec", "cd \"$1\"; rm -r *; echo new >new", "in", files.string])
            try runCommand("tar", ["-C", files.string, "-cf", tar.string, "."])
            try graphctl.succeed("apply", "--id", "top", "--parent", base, tar.string)
            #expect(try graphctl.succeed("check", "--deep").text == "")
            let places = ["overlay": "overlay/1/diff", "btrfs": "btrfs/1/tree/root"]
            let place = places[subject.name] ?? "\(subject.name)/1/root"
            if subject.name == "btrfs" {
                // As an administrator could.
                let subvolume = graphctl.root.appending("btrfs/1/tree").string
                try runCommand("btrfs", ["property", "set", subvolume, "ro", "false"])
            }
            let path = graphctl.root.appending(place).string
            // Each change is put right again by the command behind it.
            let changes = [
                (
                    "printf X | dd of=d/file bs=1 conv=notrunc",
                    "printf c | dd of=d/file bs=1 conv=notrunc"
                ),
                ("chmod 0600 d/file", "chmod 0644 d/file"),
                ("chown 5 d/link -h", "chown 0 d/link -h"),
                ("touch strange", "rm strange"),
                ("ln hard harder", "rm harder"),
                ("setfattr -n user.x -v y d/file", "setfattr -x user.x d/file"),
            ]
            for (change, remedy) in changes {
                try runCommand("bash", ["-ec", Self.keepingTimes(change), "in", path])
                let result = try graphctl.run(["check", "--deep"])
                #expect(result.status == 2, "\(change)")
                #expect(result.text.contains("content_changed"), "\(change): \(result.text)")
                try runCommand("bash", ["-ec", Self.keepingTimes(remedy), "in", path])
                #expect(try graphctl.run(["check", "--deep"]).text == "", "\(remedy)")
            }
            let recipe = graphctl.root.appending("recipes/1")
            try runCommand("mv", [recipe.string, recipe.string + "0"])
            let result = try graphctl.run(["check"])
            #expect(result.status == 2 && result.text.contains("recipe_missing"))
            #expect(result.text.contains("recipes/10"))
            #expect(try graphctl.run(["diff", "--output", "/dev/null", "base"]).status == 1)
            try graphctl.succeed("gc")
            #expect(!FileManager.default.fileExists(atPath: recipe.string + "0"))
            try graphctl.succeed("rm", "top", "base")
            #expect(try graphctl.succeed("check", "--deep").text == "")
        }
    }

    /// Changes something in a directory and leaves no trace in the times.
    private static func keepingTimes(_ command: String) -> String {
        """
        cd "$1"; times=$(stat -c '%y' . ); dtimes=$(stat -c '%y' d); ftimes=$(stat -c '%y' d/file)
        ltimes=$(stat -c '%y' d/link)
        \(command)
        touch -d "$ftimes" d/file; touch -h -d "$ltimes" d/link; touch -d "$dtimes" d
        touch -d "$times" .
        """
    }
}
