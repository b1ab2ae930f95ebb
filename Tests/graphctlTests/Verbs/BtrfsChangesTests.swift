// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What looking at changes costs on btrfs.
@Suite(.serialized, .usable("btrfs")) struct BtrfsChangesTests {
    private static let directories = 200
    private static let filesPerDirectory = 100

    @Test
    func `two hundred changes in twenty thousand files are found without looking at the others`()
        throws
    {
        let subject = try #require(DriverUnderTest.all.first { $0.name == "btrfs" })
        try subject.withRoot { directory in
            let graphctl = GraphctlCommand(driver: "btrfs", directory: directory)
            try graphctl.root.makeDirectory()
            defer { removeAll(graphctl) }
            try graphctl.succeed("create", "--id", "base")
            try graphctl.withMount("base") { root in
                for index in 0..<Self.directories {
                    let path = root.appending("folder \(index)")
                    try path.makeDirectory()
                    let directory = try Directory(opening: path)
                    for file in 0..<Self.filesPerDirectory {
                        _ = try directory.open(
                            RawPath("\(file)"), [.create, .writeOnly], permissions: 0o644)
                    }
                }
            }
            try graphctl.succeed("commit", "base")
            try graphctl.succeed("create", "--id", "child", "--parent", "base")
            try graphctl.withMount("child") { root in
                for index in 0..<200 {
                    try root.appending("folder \(index % 20)/\(index / 20)").write("changed")
                }
            }
            #expect(try calls(graphctl, "child") < 3_000)
            try graphctl.succeed("commit", "child")
            #expect(try calls(graphctl, "child") < 3_000)
            #expect(try graphctl.succeed("changes", "child").lines.count == 220)
            for words in [["gc", "--json"], ["gc", "--dry-run", "--json"]] {
                let result = try graphctl.run(words)
                #expect(result.lines.contains { $0.contains("\"freeing\": ") })
            }
            for words in [["info"], ["info", "--json"]] {
                let result = try graphctl.run(words)
                #expect(result.lines.contains { $0.contains("subvolumes being freed") })
            }
        }
    }

    /// How many names and directories a command looks at.
    private func calls(_ graphctl: GraphctlCommand, _ layer: String) throws -> Int {
        let trace = graphctl.directory.appending("trace")
        try runCommand(
            "strace",
            [
                "-f", "-qq", "-o", trace.string, "-e", "trace=statx,newfstatat,getdents64",
                GraphctlCommand.executable.string, "--root", graphctl.root.string, "--run-root",
                graphctl.runRoot.string, "changes", layer,
            ])
        return try trace.readText().split(separator: "\n").count
    }

    private func removeAll(_ graphctl: GraphctlCommand) {
        for layer in ["child", "base"] { _ = try? graphctl.run(["rm", layer]) }
        _ = try? graphctl.run(["gc"])
    }
}
