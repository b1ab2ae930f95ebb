// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// How the command is called, and what it answers to wrong calls.
@Suite(.usable("overlay")) struct UsageTests {
    @Test(
        arguments: [
            ["nonsense"], ["create", "--size", "12Q"], ["create", "--size", "-1"],
            ["create", "--label", "novalue"], ["create", "--label", "=value"],
            ["create", "--storage-opt", "novalue"], ["create", "more"], ["create", "--none"],
            ["view", "more"], ["commit"], ["apply", "--diff-id", "sha256:12"], ["import"],
            ["import", "--platform", "linux", "x"], ["diff", "a", "--compress", "xz"],
            ["diff", "a", "--json"], ["label", "a"], ["label", "a", "b"], ["rm"], ["mount"],
            ["ls", "--filter", "=x"], ["ls", "--log-level", "loud"], ["completions", "csh"],
            ["--root"], ["--root", "/x", "nonsense"], ["--none", "ls"], ["inspect", "a", "b"],
        ])
    func `wrong usage ends with 64 and one sentence`(_ arguments: [String]) throws {
        try CommandRunner.with { graphctl in
            let quoted = arguments.map { "'\($0)'" }.joined(separator: " ")
            let result = try graphctl.shell("graphctl \(quoted)")
            #expect(result.status == 64, "\(result.error)")
            #expect(result.error.hasPrefix("graphctl: "), "\(result.error)")
            #expect(result.error.split(separator: "\n").count == 2, "\(result.error)")
            #expect(try !graphctl.root.exists)
        }
    }

    @Test func `wrong usage is an object, too, where JSON was asked for`() throws {
        try CommandRunner.with { graphctl in
            for result in [try graphctl("--json", "nonsense"), try graphctl("commit", "--json")] {
                #expect(result.status == 64)
                #expect(try result.object["code"] as? String == "usage")
                #expect(try (result.object["message"] as? String)?.isEmpty == false)
            }
        }
    }

    @Test func `a failure ends with 1, one line and an object where JSON was asked for`() throws {
        try CommandRunner.with { graphctl in
            _ = try graphctl("create", "--id", "a")
            let plain = try graphctl("inspect", "none")
            #expect(plain.status == 1)
            #expect(plain.output.isEmpty)
            #expect(plain.error == "graphctl: inspect none: there is no layer or image none\n")
            let json = try graphctl("--json", "inspect", "none")
            #expect(json.status == 1)
            #expect(json.error == plain.error)
            #expect(try json.object["code"] as? String == "layerNotFound")
            let message = "inspect none: there is no layer or image none"
            #expect(try json.object["message"] as? String == message)
        }
    }

    @Test(
        arguments: [
            ["apply", "missing.tar"], ["apply", "."], ["import", "missing"], ["import", "."],
            ["create", "--storage-opt", "overlay.none=1"], ["create", "--driver", "none"],
            ["create", "--id", "a/b"], ["create", "--id", ""], ["create", "--id", "first"],
            ["mount", "first", "missing"], ["mount", "first", "/dev/null"], ["unmount", "missing"],
            ["unmount", "/missing"], ["unmount", "first"], ["view", "--parent", "first"],
            ["diff", "first", "-o", "."], ["diff", "first", "-o", "missing/file"],
            ["commit", "none"], ["ls", "--driver", "vfs"], ["ls", "--root", "/dev/null"],
        ])
    func `what cannot be done is refused in one line`(_ arguments: [String]) throws {
        try CommandRunner.with { graphctl in
            _ = try graphctl("create", "--id", "first", "--driver", "overlay")
            let quoted = arguments.map { "'\($0)'" }.joined(separator: " ")
            let result = try graphctl.shell("graphctl \(quoted)")
            #expect(result.status == 1, "\(result.error)")
            #expect(result.error.hasPrefix("graphctl: \(arguments[0])"), "\(result.error)")
            #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
        }
    }

    @Test func `global options stand before or after the command`() throws {
        try CommandRunner.with { graphctl in
            let other = graphctl.directory.appending("other").string
            #expect(try graphctl("--root", other, "create", "--id", "a").status == 0)
            #expect(try graphctl("--root=\(other)", "ls", "-q").output == "a\n")
            #expect(try graphctl("ls", "-q", "--root", other).output == "a\n")
            #expect(
                try graphctl("--json", "--root", other, "inspect", "a").object["id"] as? String
                    == "a")
            #expect(try graphctl("inspect", "a", "--json", "--root=\(other)").status == 0)
            #expect(try graphctl("ls", "-q", variables: ["GRAPHCTL_ROOT": other]).output == "a\n")
            let wrong = try graphctl("--root", other, "--driver", "vfs", "ls")
            #expect(wrong.status == 1)
            #expect(wrong.error.contains("overlay") && wrong.error.contains("vfs"))
            let variable = try graphctl(
                "ls", "--root", other, variables: ["GRAPHCTL_DRIVER": "vfs"])
            #expect(variable.status == 1)
        }
    }

    @Test func `only what makes layers makes a store`() throws {
        try CommandRunner.with { graphctl in
            for arguments in [
                "ls", "tree", "df", "info", "check", "gc", "inspect a", "usage a", "changes a",
                "diff a", "rm a", "mount a", "unmount a", "commit a", "label a b=c",
                "view --parent a", "apply missing", "import missing", "apply .",
            ] {
                let result = try graphctl.shell("graphctl \(arguments) </dev/null")
                #expect(result.status == 1, "\(arguments)")
                #expect(try !graphctl.root.exists, "\(arguments)")
            }
            #expect(try graphctl("ls").error.contains("there is no store"))
        }
    }

    @Test func `the version, help and completions need no store`() throws {
        try CommandRunner.with { graphctl in
            #expect(try graphctl("--version").output == "0.1.0\n")
            #expect(try graphctl("--json", "--version").output == "0.1.0\n")
            for arguments in [["--help"], ["help", "mount"], ["mount", "--help"]] {
                let line = "graphctl " + arguments.joined(separator: " ")
                let result = try graphctl.shell(line)
                #expect(result.status == 0 && result.output.contains("USAGE"), "\(line)")
            }
            let bash = try graphctl.shell("graphctl completions bash | bash -n")
            #expect(bash.status == 0, "\(bash.error)")
            for shell in ["bash", "zsh", "fish"] {
                let own = try graphctl("completions", shell)
                #expect(own.status == 0 && own.output.contains("graphctl"))
                let built = try graphctl("--generate-completion-script", shell)
                #expect(built.output.split(separator: "\n") == own.output.split(separator: "\n"))
            }
            #expect(try !graphctl.root.exists)
        }
    }

    @Test func `completion offers the ids of layers`() throws {
        try CommandRunner.with { graphctl in
            for id in ["db", "web"] { _ = try graphctl("create", "--id", id, "--root", "other") }
            let script = """
                source <(graphctl completions bash)
                COMP_WORDS=(graphctl mount --root other w) COMP_CWORD=4
                COMP_LINE='graphctl mount --root other w' COMP_POINT=${#COMP_LINE}
                _graphctl graphctl w other
                echo "${COMPREPLY[@]}"
                """
            #expect(try graphctl.shell(script).output == "web\n")
        }
    }

    @Test func `a store that cannot be written is read`() throws {
        try CommandRunner.with { graphctl in
            try graphctl.apply("base")
            _ = try graphctl("create", "--id", "a", "--parent", "base")
            let place = graphctl.directory.appending("readonly")
            try place.makeDirectory()
            let mounted = Mount(.bind(graphctl.root), attributes: .readOnly)
            try mounted.attach(at: place)
            defer { try? MountPoint(place).unmount() }
            for arguments in [
                "ls", "tree", "df", "info", "check", "inspect a", "usage base", "changes a",
                "diff base -o /dev/null",
            ] {
                let result = try graphctl.shell("graphctl --root readonly \(arguments)")
                #expect(result.status == 0, "\(arguments): \(result.error)")
            }
            for arguments in ["create", "rm a", "apply base.tar", "label a b=c"] {
                let result = try graphctl.shell("graphctl --json --root readonly \(arguments)")
                #expect(result.status == 1, "\(arguments)")
                #expect(try result.object["code"] as? String == "storeReadOnly", "\(arguments)")
            }
        }
    }
}
