// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// How much labels and names may say, and how much of it a table shows.
@Suite(.usable("overlay")) struct LabelTests {
    private static func code(_ result: CommandRunner.Result) throws -> String? {
        try result.object["code"] as? String
    }

    @Test func `key and value of a label have 4,096 bytes together`() throws {
        try CommandRunner.with { graphctl in
            func label(_ bytes: Int) -> String { "key=" + String(repeating: "é", count: bytes / 2) }
            _ = try graphctl("create", "--id", "box")
            #expect(try graphctl("label", "box", label(4_092)).status == 0)
            #expect(
                try graphctl("inspect", "box").output.contains(label(4_092).dropFirst(4)))
            let tar = try graphctl.tar("file").string
            for command in [
                ["label", "box", label(4_094)], ["create", "--label", label(4_094)],
                ["view", "--parent", "box", "--label", label(4_094)],
                ["apply", "--label", label(4_094), tar], ["label", "box", "=v"],
            ] {
                let words = command.map { "'\($0)'" }.joined(separator: " ")
                let result = try graphctl.shell("graphctl --json \(words)")
                let isUsage = command.last == "=v"
                #expect(result.status == (isUsage ? 64 : 1), "\(result.error)")
                #expect(try Self.code(result) == (isUsage ? "usage" : "invalidArgument"))
                #expect(result.error.utf8.count < 500)
            }
            #expect(try graphctl("ls", "-q").lines == ["box"])
        }
    }

    @Test func `a layer has 256 labels`() throws {
        try CommandRunner.with { graphctl in
            let most = (0..<256).map { "k\($0)=v" }
            _ = try graphctl("create", "--id", "box")
            #expect(
                try graphctl.shell("graphctl label box \(most.joined(separator: " "))").status == 0)
            let refused = try graphctl("label", "box", "one=more", "--json")
            #expect(try Self.code(refused) == "invalidArgument")
            #expect(try graphctl("label", "box", "--remove", "k0", "one=more").status == 0)
            #expect(try graphctl("label", "box", "k7=other").status == 0)
            let all = (0...256).map { "--label k\($0)=v" }.joined(separator: " ")
            #expect(try graphctl.shell("graphctl create \(all)").status == 1)
            #expect(try graphctl("ls", "-q").lines == ["box"])
        }
    }

    @Test func `ls shows the start of a long label`() throws {
        try CommandRunner.with { graphctl in
            let value = String(repeating: "x", count: 3_000)
            let marks = "a" + String(repeating: "\u{301}", count: 1_000)
            _ = try graphctl(
                "create", "--id", "box", "--label", "a=\(value)", "--label", "b=\(marks)")
            let line = try #require(try graphctl("ls").lines.last)
            #expect(line.utf8.count < 400 && line.contains("a=xxxx") && line.contains("…"))
            #expect(try graphctl("ls", "--no-trunc").lines.last?.contains(value) == true)
            for json in [try graphctl("ls", "--json"), try graphctl("inspect", "box")] {
                #expect(json.output.contains(value) && json.output.contains(marks))
            }
        }
    }

    @Test func `an image's name has 1,024 bytes`() throws {
        try CommandRunner.with { graphctl in
            let result = try graphctl.shell(
                """
                set -e; echo x >file; tar -cf layer.tar file
                digest=sha256:$(sha256sum <layer.tar | cut -c 1-64)
                jq -n --arg d $digest '{architecture: "amd64", os: "linux", rootfs: {type: "layers", diff_ids: [$d]}}' >c.json
                pack() {
                    jq -n --arg t "$1" '[{Config: "c.json", RepoTags: [$t], Layers: ["layer.tar"]}]' >manifest.json
                    tar -cf image.tar manifest.json c.json layer.tar
                }
                long() { printf "%${1}s" | tr ' ' n; }
                pack "$(long 1025)"; graphctl --json import image.tar | jq -r .code
                graphctl ls -q
                pack "$(long 1024)"; graphctl import image.tar | wc -c
                graphctl --json import --name "$(long 1025)" image.tar | jq -r .code
                graphctl ls | tail -1 | wc -c
                """)
            #expect(result.status == 0, "\(result.error)")
            #expect(result.lines.prefix(3) == ["invalidArchive", "65", "invalidArgument"])
            #expect(result.lines.last.flatMap { Int($0) }.map { $0 < 400 } == true)
        }
    }
}
