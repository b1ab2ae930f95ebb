// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What is true after graphctl was killed while it made, attached, grew or detached a loop image.
///
/// A sample as in ``KillTests``.
@Suite(
    .enabled(if: Graphctl.isAttackable && Machine.isRoot, "needs graphctl, strace, loop devices"),
    .serialized)
struct LoopImageKillTests {
    private static let sampleSeconds = 6.0
    private static let making = ["init", "--loop-image", "xfs-image", "--size", "300M"]

    @Test func `a killed init leaves what the next one takes over`() throws {
        try attackAll(Self.making) { _ in
        } check: { store in
            let again = try store.graphctl(Self.making + ["--json"])
            // Unless the first one had done its work.
            if !again.isSuccess && again.code != "invalidArgument" {
                throw UnexpectedResult("\(again)")
            }
        }
    }

    @Test func `a killed opening leaves what the next one attaches`() throws {
        try attackAll(["create", "--id", "new"]) { store in
            try store.succeed(Self.making)
            try store.succeed(["loop-image", "detach"])
        } check: { store in
            let again = try store.graphctl(["create", "--id", "new", "--json"])
            if !again.isSuccess && again.code != "layerExists" {
                throw UnexpectedResult("\(again)")
            }
            try store.succeed(["rm", "new"])
        }
    }

    @Test func `a killed growth is ended by the next`() throws {
        let line = ["loop-image", "grow", "--size", "600M"]
        try attackAll(line) { store in
            try store.succeed(Self.making)
        } check: { store in
            try store.succeed(line)
        }
    }

    @Test func `a killed detaching is ended by the next`() throws {
        try attackAll(["loop-image", "detach"]) { store in
            try store.succeed(Self.making)
        } check: { store in
            try store.succeed(["loop-image", "detach"])
            try store.succeed("ls")
        }
    }

    private func attackAll(
        _ line: [String], prepare: (AttackedStore) throws -> Void,
        check: (AttackedStore) throws -> Void
    ) throws {
        try withLoopFilesystem(type: .tmpfs, size: 1 << 30) { memory in
            var points = try fresh(memory) { store in
                try prepare(store)
                let points = try KillPoint.all(of: store.line(line), root: store.root)
                try finish(store)
                return points
            }
            var generator = SeededGenerator(seed: SeededGenerator.runSeed)
            points.shuffle(using: &generator)
            let only = ProcessInfo.processInfo.environment["GRAPH_KILL_ONLY"]
            let isWhole = SeededGenerator.isSoak || only != nil
            let end = isWhole ? Date.distantFuture : Date(timeIntervalSinceNow: Self.sampleSeconds)
            var killed = 0
            for point in points where Date() < end {
                let name = "\(line.prefix(2).joined(separator: " ")), \(point)"
                if let only, only != name { continue }
                do {
                    try fresh(memory) { store in
                        try prepare(store)
                        let result = try store.graphctl(line, under: point.wrapper)
                        if result.status == CommandResult.killed { killed += 1 }
                        try check(store)
                        try finish(store)
                    }
                } catch {
                    Issue.record("GRAPH_KILL_ONLY='\(name)': \(error)")
                }
            }
            #expect(killed > 0 || only != nil)
        }
    }

    /// Lends an empty store.
    private func fresh<Value>(
        _ memory: FilePath, _ body: (AttackedStore) throws -> Value
    ) throws -> Value {
        try withScratchRoot(below: memory) { scratch in
            try body(
                AttackedStore(
                    root: scratch.appending("root"), runRoot: scratch.appending("run"),
                    driver: "overlay"))
        }
    }

    /// Makes sure that the store is whole, and takes its loop image away, of which nothing must be left.
    private func finish(_ store: AttackedStore) throws {
        try store.succeed(["create", "--id", "after"])
        try store.requireClean()
        let mounts = store.mountPoints
        if mounts != [store.root.appending("bed").string] {
            throw UnexpectedResult("mounted: \(mounts)")
        }
        try store.succeed(["loop-image", "detach"])
        let known: Set = ["bed", "bed.image", "bed.lock", "bed.reserve"]
        let left = try Set(store.root.names).subtracting(known)
        let loops = try run(["losetup", "--list", "--noheadings", "--output", "BACK-FILE"]).output
            .split(separator: "\n").filter { $0.hasPrefix(store.root.string + "/") }
        if !left.isEmpty || !loops.isEmpty {
            throw UnexpectedResult("left: \(left), attached: \(loops)")
        }
    }
}

extension AttackedStore {
    /// Runs a command line that has to succeed.
    fileprivate func succeed(_ line: [String]) throws {
        let result = try graphctl(line)
        if !result.isSuccess { throw UnexpectedResult("\(result)") }
    }
}
