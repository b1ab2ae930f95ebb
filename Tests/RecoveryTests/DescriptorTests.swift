// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphTestSupport
import SystemPackage
import Testing

/// What becomes of a command that gets no descriptors, or does not see `/proc`.
@Suite(.enabled(if: Graphctl.isAttackable, "needs a built graphctl"), .serialized)
struct DescriptorTests {
    static let drivers = DriverUnderTest.all.map(\.name).filter {
        ["overlay", "vfs", "btrfs"].contains($0)
    }

    /// From 64 down to what a process begins with.
    private static let limits: [Int] = {
        if SeededGenerator.isSoak { return Array(stride(from: 64, through: 3, by: -1)) }
        var generator = SeededGenerator(seed: SeededGenerator.runSeed)
        let some = Array(4...22).shuffled(using: &generator).prefix(6)
        return [64] + some.sorted(by: >) + [3]
    }()

    /// What a layer lives through, each step after those before it.
    private static func steps(_ tar: String, _ output: String) -> [[String]] {
        [
            ["create", "--id", "one", "--parent", "base"], ["mount", "one"], ["unmount", "one"],
            ["changes", "box"], ["diff", "box", "-o", output], ["check", "--deep"], ["ls"],
            ["commit", "one"], ["apply", "--id", "two", "--parent", "one", tar], ["info"],
            ["rm", "two"], ["rm", "one"], ["gc"],
        ]
    }

    @Test(arguments: drivers)
    func `a command without descriptors fails as one, and what it was to do can be done`(
        _ driver: String
    ) throws {
        try Fixture.withMemory { fixture in
            try fixture.withStore(driver) { store in
                try fixture.fill(store)
                let output = fixture.directory.appending("output").string
                var failures = 0
                for limit in Self.limits {
                    for step in Self.steps(fixture.small, output) {
                        let result = try store.graphctl(
                            step + ["--json"],
                            under: ["bash", "-c", "ulimit -n \"$0\"; exec \"$@\"", "\(limit)"])
                        if result.isSuccess { continue }
                        failures += 1
                        // The loader finds no library, or the command says what happened.
                        let isExpected =
                            result.status == 127 || result.status == 1 && result.code == "system"
                        #expect(isExpected, "\(limit) descriptors: \(result)")
                        let again = try store.graphctl(step)
                        #expect(again.isSuccess, "after \(limit) descriptors: \(again)")
                    }
                    #expect(store.mountPoints == [], "\(limit) descriptors")
                    try store.requireClean()
                }
                #expect(failures > 12)
                #expect(try store.empty() == [])
            }
        }
    }

    @Test func `a command that does not see the processes says so`() throws {
        let driver = try #require(Self.drivers.first)
        try Fixture.withMemory { fixture in
            try fixture.withStore(driver) { store in
                try fixture.fill(store)
                let output = fixture.directory.appending("output").string
                let hidden = ["unshare", "--mount", "bash", "-c"]
                for hide in ["mount -t tmpfs none /proc", "umount -l /proc"] {
                    for step in Self.steps(fixture.small, output) {
                        let result = try store.graphctl(
                            step + ["--json"], under: hidden + ["\(hide); exec \"$0\" \"$@\""])
                        if result.isSuccess { continue }
                        #expect(result.status == 1 && result.code == "system", "\(result)")
                        #expect((result.output + result.errors).contains("/proc"), "\(result)")
                        let again = try store.graphctl(step)
                        #expect(again.isSuccess, "\(again)")
                    }
                    try store.requireClean()
                }
                #expect(try store.empty() == [])
            }
        }
    }

    @Test func `a command that looks at records starts no thread`() throws {
        let driver = try #require(Self.drivers.first)
        try Fixture.withMemory { fixture in
            try fixture.withStore(driver) { store in
                try fixture.fill(store)
                let trace = fixture.directory.appending("trace").string
                for step in [
                    ["ls"], ["mount", "box"], ["unmount", "box"], ["label", "box", "a=b"],
                ] {
                    let result = try store.graphctl(
                        step, under: ["strace", "-f", "-o", trace, "-e", "trace=clone,clone3"])
                    #expect(result.isSuccess, "\(result)")
                    let calls = try String(contentsOfFile: trace, encoding: .utf8)
                    #expect(!calls.contains("clone"), "\(step): \(calls)")
                }
                #expect(try store.empty() == [])
            }
        }
    }
}
