// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphTestSupport
import SystemPackage
import Testing

/// How many system calls the life of a container takes: counts are stable where times are not.
///
/// A limit is what was counted in a user namespace, where most are made, and a little more: what raises one is
/// to be seen when it is made.
@Suite(.serialized) struct SystemCallTests {
    /// The most calls of each step, in a process that has the store open, with one parent.
    ///
    /// What btrfs and vfs take to remove a layer depends on what else the machine has mounted, where they look
    /// for users.
    private static let limits = [
        "overlay": ["create": 62, "mount": 64, "unmount": 42, "get": 2, "remove": 80],
        "btrfs": ["create": 62, "mount": 64, "unmount": 42, "get": 2],
        "vfs": ["create": 105, "mount": 64, "unmount": 42, "get": 2],
    ]

    @Test(arguments: DriverUnderTest.usable.filter { limits[$0.name] != nil })
    func `the steps of a container's life take the calls that they took`(
        _ subject: DriverUnderTest
    ) throws {
        let counts = try lifeCounts(subject)
        for (step, limit) in try #require(Self.limits[subject.name]) {
            let count = try #require(counts[step], "\(step)")
            #expect(count <= Double(limit), "\(step)")
            #expect(count > 0, "\(step)")
        }
    }

    /// The calls of each step of `LayerLife`, on average.
    private func lifeCounts(_ subject: DriverUnderTest) throws -> [String: Double] {
        try withScratchRoot { scratch in
            let trace = scratch.appending("trace")
            try subject.withDirectory { directory in
                _ = try runCommand(
                    "strace",
                    [
                        "-f", "-qq", "-o", trace.string, BuiltProgram.path("LayerLife").string,
                        directory.appending("root").string, scratch.appending("run").string,
                        subject.name, "20",
                    ])
            }
            var (counts, rounds): ([String: Int], [String: Int]) = ([:], [:])
            var step = ""
            for line in try trace.readText().split(separator: "\n") {
                if let name = line.firstMatch(of: /write\(-1, "(\w+)"/)?.1 {
                    step = String(name)
                    rounds[step, default: 0] += 1
                } else if line.contains(/^\d+\s+\w+\(/) {
                    counts[step, default: 0] += 1
                }
            }
            return rounds.reduce(into: [:]) { all, round in
                all[round.key] = Double(counts[round.key] ?? 0) / Double(round.value)
            }
        }
    }

    /// The most calls of a command from its first one to its end, without what loads the program and its
    /// runtime, without reading what is in SQLite's log, and without looking at the directories that lead to
    /// the store, which are as many as they are.
    @Test(
        .usable("overlay"),
        arguments: [
            (["ls"], 165), (["inspect", "web"], 240), (["mount", "web"], 360),
            (["unmount", "web"], 260), (["create", "--id", "other"], 250), (["rm", "other"], 370),
        ])
    func `a short command takes the calls that it took`(_ words: [String], _ limit: Int) throws {
        let subject = try #require(DriverUnderTest.all.first { $0.name == "overlay" })
        try subject.withDirectory { directory in
            let command = GraphctlCommand(driver: "overlay", directory: directory)
            try command.succeed("create", "--id", "web")
            // What the first mount makes is there for the others.
            try command.withMount("web") { _ in }
            if words[0] == "unmount" { try command.succeed("mount", "web") }
            if words[0] == "rm" { try command.succeed("create", "--id", "other") }
            let trace = directory.appending("trace")
            try runCommand(
                "strace",
                [
                    "-f", "-qq", "-o", trace.string, GraphctlCommand.executable.string, "--root",
                    command.root.string, "--run-root", command.runRoot.string,
                ] + words)
            if words[0] == "mount" { try command.succeed("unmount", "web") }
            let calls = try trace.readText().split(separator: "\n")
                .drop { !$0.contains("F_GETFD") }
                .filter { $0.contains(/^\d+\s+\w+\(/) }
                .filter { line in
                    ![" pread64(", " newfstatat(", ", \"../", ", \"..\""].contains(
                        where: line.contains)
                }
            #expect(calls.count <= limit, "\(words)")
            #expect(calls.count > 50, "\(words)")
        }
    }

    @Test(.usable("overlay"))
    func `layers made or removed together wait for the disk once`() throws {
        let subject = try #require(DriverUnderTest.all.first { $0.name == "overlay" })
        try subject.withDirectory { directory in
            let command = GraphctlCommand(driver: "overlay", directory: directory)
            try command.succeed("create", "--id", "web")
            let trace = directory.appending("trace")
            func syncCount(_ words: [String]) throws -> (count: Int, output: String) {
                let result = try command.run(
                    words,
                    wrapper: [
                        "strace", "-f", "-qq", "-o", trace.string, "-e",
                        "trace=fdatasync,syncfs",
                    ])
                #expect(result.status == 0, "\(result)")
                let lines = try trace.readText().split(separator: "\n")
                return (
                    lines.filter { $0.contains("sync") }.count,
                    String(decoding: result.output, as: UTF8.self)
                )
            }
            let one = try syncCount(["create"])
            let many = try syncCount(["create", "--count", "40"])
            #expect(many.count == one.count && one.count > 0)
            let ids = many.output.split(separator: "\n").map(String.init)
            #expect(ids.count == 40)
            let removedOne = try syncCount(["rm", "--no-reclaim", "web"])
            let removedMany = try syncCount(["rm", "--no-reclaim"] + ids)
            #expect(removedMany.count == removedOne.count && removedOne.count > 0)
            #expect(Set(removedMany.output.split(separator: "\n").map(String.init)) == Set(ids))
        }
    }
}
