// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What is true on a disk without space.
@Suite(.enabled(if: Graphctl.isAttackable, "needs a built graphctl"), .serialized)
struct FullDiskTests {
    /// A small filesystem, and the driver of a store on it.
    struct Place: Sendable, CustomTestStringConvertible {
        let type: TestFilesystem
        let driver: String

        var testDescription: String { "\(driver) on \(type)" }
    }

    /// What runs out where a store works.
    struct Shortage: Sendable, CustomTestStringConvertible {
        let place: Place
        let resource: FullDisk.Resource

        var testDescription: String { "\(place.testDescription), \(resource)" }
    }

    static let places = [TestFilesystem.ext4, .tmpfs, .btrfs].flatMap { type in
        (type == .btrfs ? ["btrfs"] : ["overlay", "vfs"]).map { Place(type: type, driver: $0) }
    }

    /// btrfs makes inodes as long as there are bytes.
    static let placesWithInodes = places.filter { $0.type != .btrfs }

    static let shortages =
        places.map { Shortage(place: $0, resource: .bytes) }
        + placesWithInodes.map { Shortage(place: $0, resource: .inodes) }

    /// What is left when a command starts: with nothing each fails, with the most each works.
    private static let rests: [FullDisk.Resource: [UInt64]] = [
        .bytes: [
            0, 4, 8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096,
            6144, 8192, 12_288,
        ].map { $0 << 10 },
        .inodes: [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 120],
    ]

    @Test(arguments: shortages)
    func `a command on a full disk says so, and leaves nothing of what it began`(
        _ shortage: Shortage
    ) throws {
        let (place, resource) = (shortage.place, shortage.resource)
        var rests = Self.rests[resource] ?? []
        if !SeededGenerator.isSoak {
            var generator = SeededGenerator(seed: SeededGenerator.runSeed)
            rests = [0] + rests.dropFirst().shuffled(using: &generator).prefix(3)
        }
        try Fixture.with { fixture in
            let big = try bigLayer(fixture)
            let inodes = resource == .inodes ? 512 : nil
            try FullDisk.with(place.type, place.driver, inodes: inodes) { disk, store in
                try fixture.fill(store)
                for rest in rests {
                    for attempt in FullDiskAttempt.all(big) {
                        do {
                            try attempt.make(store, disk, rest, resource)
                        } catch {
                            Issue.record(
                                "\(shortage.testDescription), \(attempt.name), \(rest) left: \(error)"
                            )
                            try disk.clear()
                            _ = try? store.graphctl(["rm", "new"])
                        }
                    }
                }
                #expect(try store.empty() == [])
            }
        }
    }

    @Test(arguments: places)
    func `a layer can be removed on a disk that is full to the last byte`(
        _ place: Place
    ) throws {
        try Fixture.with { fixture in
            let big = try bigLayer(fixture)
            try FullDisk.with(place.type, place.driver) { disk, store in
                try fixture.fill(store)
                // Once with the reserve, and again, which it has to be ready for.
                for round in 1...4 {
                    try store.succeed("apply", "--id", "big", "--parent", "base", big)
                    try disk.fillToTheLastByte()
                    #expect(try disk.free(.bytes) == 0)
                    let failure = try store.graphctl(["apply", "--id", "more", big, "--json"])
                    #expect(failure.code == "noSpace", "round \(round): \(failure)")
                    try store.succeed("rm", "big")
                    try store.succeed("gc")
                    #expect(try disk.free(.bytes) > 3 << 20, "round \(round)")
                    try store.requireClean()
                    // There is room again, with the disk still full but for it.
                    try store.succeed("apply", "--id", "next", "--parent", "base", fixture.small)
                    try store.succeed("rm", "next")
                    try disk.clear()
                }
                #expect(try store.empty() == [])
            }
        }
    }

    @Test(arguments: places)
    func `small layers can be removed one by one while somebody else takes every byte`(
        _ place: Place
    ) throws {
        try Fixture.with { fixture in
            try FullDisk.with(place.type, place.driver) { disk, store in
                try fixture.fill(store)
                for number in 1...20 { try store.succeed("create", "--id", "small-\(number)") }
                for number in 1...20 {
                    try disk.fillToTheLastByte()
                    try store.succeed("rm", "small-\(number)")
                }
                try store.requireClean()
                try disk.clear()
                #expect(try store.empty() == [])
            }
        }
    }

    @Test(arguments: placesWithInodes)
    func `a layer can be removed on a disk without inodes`(
        _ place: Place
    ) throws {
        try Fixture.with { fixture in
            try FullDisk.with(place.type, place.driver, inodes: 512) { disk, store in
                try fixture.fill(store)
                try disk.fill(leaving: 0, .inodes)
                #expect(try disk.free(.inodes) == 0)
                try store.succeed("rm", "box", "eye")
                try store.succeed("gc")
                try store.requireClean()
                #expect(try disk.free(.inodes) > 0)
                try disk.clear()
                #expect(try store.empty() == [])
            }
        }
    }

    /// A layer of 4 MB and 40 files.
    private func bigLayer(_ fixture: Fixture) throws -> String {
        let script = """
            cd "$1"; mkdir big
            for n in $(seq 40); do head -c 100000 /dev/urandom > big/file-$n; done
            tar -C big -cf big.tar .
            """
        try runCommand("bash", ["-ec", script, "big", fixture.directory.string])
        return fixture.directory.appending("big.tar").string
    }
}

/// A command that is run on a full disk.
struct FullDiskAttempt {
    let name: String
    var preparation: [[String]] = []
    let line: [String]

    static func all(_ big: String) -> [FullDiskAttempt] {
        let create = ["create", "--id", "new", "--parent", "base"]
        return [
            FullDiskAttempt(name: "create", line: create),
            FullDiskAttempt(
                name: "apply", line: ["apply", "--id", "new", "--parent", "base", big]),
            FullDiskAttempt(name: "commit", preparation: [create], line: ["commit", "new"]),
            FullDiskAttempt(name: "label", preparation: [create], line: ["label", "new", "a=b"]),
        ]
    }

    /// Runs it with so much left, and then looks at the store, first while the disk is still full.
    func make(
        _ store: AttackedStore, _ disk: FullDisk, _ rest: UInt64, _ resource: FullDisk.Resource
    ) throws {
        for line in preparation {
            let result = try store.graphctl(line)
            if !result.isSuccess { throw UnexpectedResult("\(result)") }
        }
        let before = try store.layers().map { "\($0.id) \($0.kind)" }
        try disk.fill(leaving: rest, resource)
        let result = try store.graphctl(line + ["--json"])
        if !result.isSuccess && (result.status != 1 || result.code != "noSpace") {
            throw UnexpectedResult("\(result)")
        }
        let after = try store.layers().map { "\($0.id) \($0.kind)" }
        if !result.isSuccess && after != before { throw UnexpectedResult("layers: \(after)") }
        _ = try store.findings(deep: false)
        try store.succeed("mount", "eye")
        try store.succeed("unmount", "eye")
        try disk.clear()
        if !result.isSuccess {
            // What failed is not to be repaired by a collection, it is to be gone.
            try store.requireClean()
        }
        try store.succeed("gc")
        try store.requireClean()
        if try store.layers().contains(where: { $0.id == "new" }) { try store.succeed("rm", "new") }
    }
}
