// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Layers that share blocks are told to take what the filesystem says that they take: what is shared counts
/// once, in the layer that brought it.
@Suite(
    .serialized,
    .enabled(if: DriverUnderTest.usable.contains { $0.name == "btrfs" }, "needs a btrfs to ask"))
struct SharedUsageTests {
    /// Both on btrfs, whose own tool counts blocks.
    static let drivers = ["btrfs", "vfs"]

    @Test(arguments: drivers)
    func `what all layers take is what the filesystem says`(_ driver: String) throws {
        let btrfs = DriverUnderTest.usable.first { $0.name == "btrfs" }
        try check(driver, below: try #require(btrfs?.base), times: SeededGenerator.isSoak ? 40 : 3)
    }

    @Test(.enabled(if: !Machine.isInUserNamespace, "needs loop devices"), arguments: drivers)
    func `what all layers take is what the filesystem says where it counts quotas, too`(
        _ driver: String
    ) throws {
        try withLoopFilesystem(type: .btrfs, size: 1 << 30) { disk in
            try runCommand("btrfs", ["quota", "enable", disk.string])
            try runCommand("btrfs", ["quota", "rescan", "-w", disk.string])
            try check(driver, below: disk, times: SeededGenerator.isSoak ? 10 : 1)
        }
    }

    private func check(_ driver: String, below base: FilePath, times: Int) throws {
        var random = SeededGenerator(seed: SeededGenerator.runSeed)
        for _ in 0..<times {
            try withScratchRoot(below: base) { directory in
                let command = GraphctlCommand(driver: driver, directory: directory)
                defer {
                    for layer in ((try? command.succeed("ls", "-q").lines) ?? []).reversed() {
                        _ = try? command.succeed("rm", layer)
                    }
                    _ = try? command.succeed("gc")
                }
                try command.succeed("create", "--id", "layer-0")
                try command.withMount("layer-0") { place in
                    for index in 0..<6 {
                        try write(megabytes: 1, place.appending("file-\(index)"), &random)
                    }
                    try runCommand("mkdir", [place.appending("small").string])
                    for index in 0..<200 {
                        try place.appending("small/\(index)").write("\(index)")
                    }
                }
                try command.succeed("commit", "layer-0")
                for level in 1...4 {
                    let layer = "layer-\(level)"
                    try command.succeed("create", "--id", layer, "--parent", "layer-\(level - 1)")
                    try command.withMount(layer) { place in
                        for _ in 0..<Int.random(in: 1...6, using: &random) {
                            try change(place, level, &random)
                        }
                    }
                    // The last one is measured, the others are recorded.
                    if level < 4 { try command.succeed("commit", layer) }
                }
                try check(command)
            }
        }
    }

    private func write(
        megabytes: Int, _ path: FilePath, _ random: inout SeededGenerator
    ) throws {
        var data = Data(count: megabytes << 20)
        for index in stride(from: 0, to: data.count, by: 512) {
            data[index] = UInt8.random(in: 1...255, using: &random)
        }
        try data.write(to: URL(fileURLWithPath: path.string))
    }

    private func change(
        _ place: FilePath, _ level: Int, _ random: inout SeededGenerator
    ) throws {
        let file = place.appending("file-\(Int.random(in: 0..<6, using: &random))")
        let new = place.appending("new-\(level)-\(Int.random(in: 0..<1_000, using: &random))")
        let script: String
        switch Int.random(in: 0..<8, using: &random) {
        case 0: script = "head -c 1500000 /dev/urandom > \"$2\""
        case 1: script = "cp --reflink=always \"$1\" \"$2\""
        case 2: script = "mv \"$1\" \"$2\"; touch \"$2\"; cp --reflink=always \"$2\" \"$1\""
        case 3:
            script = "dd if=/dev/urandom of=\"$1\" bs=4096 count=30 seek=7 conv=notrunc status=none"
        case 4: script = "chmod 0600 \"$1\""
        case 5:
            script =
                "head -c 700000 /dev/urandom > \"$2\"; for n in 1 2 3; do cp --reflink=always \"$2\" \"$2.$n\"; done"
        case 6: script = "head -c 300000 /dev/urandom >> \"$1\""
        default:
            // Of the first there always is one.
            script =
                "[ \"$1\" = \"$3/file-0\" ] || { rm -f \"$1\"; cp --reflink=always \"$3/file-0\" \"$1\"; }"
        }
        try runCommand("bash", ["-ec", script, "", file.string, new.string, place.string])
    }

    private func check(_ command: GraphctlCommand) throws {
        try runCommand("sync", ["-f", command.root.string])
        let report = try JSONSerialization.jsonObject(
            with: Data(try command.succeed("df", "--live", "--json").output))
        let used = ((report as? [String: Any])?["used"] as? [String: Any])?["bytes"] as? NSNumber
        let told = try #require(used?.doubleValue)
        let line = try runCommand(
            "btrfs",
            ["filesystem", "du", "--raw", "-s", command.root.appending(command.driver).string])
        // Total, exclusive, shared within.
        let numbers = line.split(separator: "\n").last?.split(separator: " ").prefix(3) ?? []
        let all = numbers.compactMap { Double($0) }
        try #require(all.count == 3, "\(line)")
        let real = all[1] + all[2]
        #expect(
            abs(told - real) <= max(real * 0.02, 65_536),
            "\(command.driver), GRAPH_TEST_SEED=\(SeededGenerator.runSeed): told \(told), of \(line)"
        )
    }
}
