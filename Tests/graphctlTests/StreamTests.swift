// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What the command reads from standard input, and writes to standard output and to files.
@Suite(.usable("overlay")) struct StreamTests {
    @Test(arguments: [[], ["-"]])
    func `apply reads standard input`(_ arguments: [String]) throws {
        try CommandRunner.with { graphctl in
            _ = try graphctl.tar("base")
            let line = (["graphctl apply --id a"] + arguments).joined(separator: " ")
            for script in ["\(line) <base.tar && graphctl rm a", "gzip <base.tar | \(line)"] {
                let result = try graphctl.shell(script)
                #expect(result.status == 0, "\(result.error)")
            }
            #expect(try graphctl("changes", "a").output == "A /base\n")
        }
    }

    @Test(arguments: ["none", "gzip", "zstd"])
    func `diff writes the same tar to a file and to standard output`(_ compression: String) throws {
        try CommandRunner.with { graphctl in
            try graphctl.apply("base")
            let script = """
                graphctl diff base -o file --compress \(compression) &&
                graphctl diff base --compress \(compression) | cmp - file &&
                graphctl apply --id again file && graphctl diff again | cmp - base.diff
                """
            #expect(try graphctl("diff", "base", "-o", "base.diff").output.isEmpty)
            let result = try graphctl.shell(script)
            #expect(result.status == 0, "\(result.error)")
        }
    }

    @Test func `a diff that is applied is found by its digest`() throws {
        try CommandRunner.with { graphctl in
            try graphctl.apply("base")
            let written = try graphctl("diff", "base", "-o", "file", "--compress", "gzip", "--json")
            let object = try written.object
            let bytes = Array(
                try Data(
                    contentsOf: URL(fileURLWithPath: graphctl.directory.appending("file").string))
            )
            #expect(object["digest"] as? String == Digest.of(bytes).description)
            #expect(object["bytes"] as? Int == bytes.count)
            let digest = try #require(object["diff_id"] as? String)
            #expect(
                try graphctl("apply", "--id", "copy", "--diff-id", digest, "file").output
                    == "copy\n")
        }
    }

    @Test func `a diff that fails leaves no file, and an old one as it was`() throws {
        try CommandRunner.with { graphctl in
            try graphctl.apply("base")
            try graphctl.directory.appending("file").write("old")
            let before = try graphctl.directory.names
            #expect(try graphctl("diff", "base", "--from", "none", "-o", "file").status == 1)
            #expect(try graphctl("diff", "none", "-o", "other").status == 1)
            #expect(try graphctl.directory.names == before)
            #expect(try graphctl.directory.appending("file").readText() == "old")
            #expect(try graphctl("diff", "base", "-o", "/dev/null").status == 0)
        }
    }

    @Test func `a wrong digest is refused, and nothing is left`() throws {
        try CommandRunner.with { graphctl in
            let tar = try graphctl.tar("base").string
            let wrong = "sha256:" + String(repeating: "0", count: 64)
            let result = try graphctl("apply", "--diff-id", wrong, tar, "--json")
            #expect(result.status == 1)
            #expect(try result.object["code"] as? String == "digestMismatch")
            #expect(try graphctl("ls", "-q").output.isEmpty)
            #expect(try graphctl("check").output.isEmpty)
        }
    }

    @Test func `a reader that goes away ends the command quietly`() throws {
        try CommandRunner.with { graphctl in
            // More than a pipe takes.
            let labels = "for n in {1..40}; do printf -- '--label %s=%04000d ' $n 0; done"
            let created = try graphctl.shell("graphctl create --id a $(\(labels))")
            #expect(created.status == 0)
            let result = try graphctl.shell("{ graphctl ls --json; echo $? >status; } | true")
            #expect(result.error.isEmpty)
            #expect(try graphctl.directory.appending("status").readText() == "1\n")
        }
    }

    @Test func `a full or closed standard output is an error`() throws {
        try CommandRunner.with { graphctl in
            _ = try graphctl("create", "--id", "a")
            let full = try graphctl.shell("graphctl ls >/dev/full")
            #expect(full.status == 1 && full.error.contains("No space left"))
            #expect(try graphctl.shell("graphctl ls >&-").status == 1)
            #expect(try graphctl.shell("graphctl ls 2>&-").status == 0)
            #expect(try graphctl.shell("graphctl apply <&-").status == 1)
        }
    }

    @Test func `a signal stops the work, and nothing is left of it`() throws {
        try CommandRunner.with { graphctl in
            _ = try graphctl("create", "--id", "first")
            _ = try graphctl.tar("base")
            // The reader waits for the rest of the stream when the signal comes.
            let script = """
                mkfifo stream; exec 3<>stream
                graphctl COMMAND <&3 & head -c 700 base.tar >&3; sleep 0.5
                kill -TERM $!; wait $!
                """
            for command in ["apply", "import -"] {
                let result = try graphctl.shell(
                    "rm -f stream; " + script.replacingOccurrences(of: "COMMAND", with: command))
                #expect(result.status == 1)
                #expect(result.error.contains("stopped on request"), "\(result.error)")
            }
            #expect(try graphctl("ls", "-q").lines == ["first"])
            #expect(try graphctl("check").output.isEmpty)
        }
    }

    @Test func `long work shows a bar on a terminal, and takes it away`() throws {
        try CommandRunner.with { graphctl in
            _ = try graphctl.tar("base", String(repeating: "text ", count: 1_000_000))
            let slow = "{ head -c 2000000 base.tar; sleep 0.8; tail -c +2000001 base.tar; }"
            let line = "\(slow) | graphctl apply --id a"
            let shown = try graphctl.shell("script -qec '\(line)' /dev/null </dev/null")
            #expect(shown.status == 0, "\(shown.output)")
            #expect(shown.output.contains(" MiB"), "\(shown.output)")
            let end = try #require(shown.output.range(of: "\r\u{1B}[K", options: .backwards))
            #expect(
                shown.output[end.upperBound...].trimmingCharacters(in: .whitespacesAndNewlines)
                    == "a")

            let quick = try graphctl.shell("script -qec 'graphctl apply --id b base.tar' /dev/null")
            #expect(!quick.output.contains("\u{1B}"), "\(quick.output)")
            let piped = try graphctl.shell(line.replacingOccurrences(of: "--id a", with: "--id c"))
            #expect(piped.output == "c\n" && piped.error.isEmpty)
        }
    }

    @Test func `a tar does not go to a terminal, and is not read from one`() throws {
        try CommandRunner.with { graphctl in
            try graphctl.apply("base")
            for line in ["graphctl diff base", "graphctl apply", "graphctl import -"] {
                let result = try graphctl.shell(
                    "script -qec '\(line)' /dev/null; exit ${PIPESTATUS[0]}")
                #expect(result.status == 1)
                #expect(result.output.contains("is a terminal"), "\(result.output)")
            }
        }
    }
}
