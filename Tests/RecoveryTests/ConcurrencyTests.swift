// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import Synchronization
import SystemPackage
import Testing

/// What is true of a store that several processes use at once.
@Suite(.enabled(if: Graphctl.path != nil, "needs a built graphctl"), .serialized)
struct ConcurrencyTests {
    private static var seconds: Double {
        ProcessInfo.processInfo.environment["GRAPH_QUICK"] == nil ? 30 : 5
    }

    @Test(arguments: ["overlay", "vfs"])
    func `processes that work on one store at once do not disturb each other`(
        _ driver: String
    ) throws {
        try Fixture.with { fixture in
            try fixture.withStore(driver) { store in
                try fixture.fill(store)
                for count in [2, 4] { try work(count, store, fixture, Self.seconds / 2) }
                #expect(try store.empty() == [])
            }
        }
    }

    private func work(
        _ count: Int, _ store: AttackedStore, _ fixture: Fixture, _ seconds: Double
    ) throws {
        let end = Date(timeIntervalSinceNow: seconds)
        let problems = Mutex<[String]>([])
        let runs = Mutex(0)
        let group = DispatchGroup()
        for index in 0..<count {
            group.enter()
            Thread {
                var worker = Worker(index: index, store: store, fixture: fixture)
                while Date() < end && problems.withLock({ $0.count < 5 }) {
                    do {
                        try worker.step()
                    } catch {
                        problems.withLock { $0.append("process \(index) of \(count): \(error)") }
                    }
                }
                runs.withLock { $0 += worker.commands }
                group.leave()
            }.start()
        }
        group.wait()
        for problem in problems.withLock({ $0 }) { Issue.record("\(problem)") }
        print("concurrency: \(store.driver), \(count) at once: \(runs.withLock { $0 }) commands")
        try store.succeed("gc")
        try store.requireClean()
        #expect(store.mountPoints == [])
    }
}

/// One of several that use a store, a command at a time.
private struct Worker {
    let index: Int
    let store: AttackedStore
    let fixture: Fixture
    var commands = 0
    private var turn = 0
    private var generator: SeededGenerator

    init(index: Int, store: AttackedStore, fixture: Fixture) {
        (self.index, self.store, self.fixture) = (index, store, fixture)
        generator = SeededGenerator(seed: SeededGenerator.runSeed &+ UInt64(index))
    }

    /// Runs a command that may fail in the given ways and no others.
    ///
    /// - Returns: What it printed; nil when it failed as it may.
    @discardableResult
    private mutating func command(
        _ arguments: [String], mayFail codes: Set<String> = []
    ) throws -> String? {
        commands += 1
        let result = try store.graphctl(arguments)
        if result.isSuccess { return result.output }
        // The code is in the JSON only, so a failure is told apart by its sentence.
        let reasons = codes.compactMap { Self.sentences[$0] }.flatMap { $0 }
        if result.status == 1, reasons.contains(where: { result.errors.contains($0) }) {
            return nil
        }
        throw UnexpectedResult("\(result)")
    }

    private static let sentences = [
        "layerNotFound": ["there is no layer", "was removed meanwhile"],
        "layerInUse": ["is the parent of"],
    ]

    /// Does one of the things that runtimes do.
    mutating func step() throws {
        turn += 1
        switch Int.random(in: 0..<8, using: &generator) {
        case 0: try shareLayer()
        case 1: try ownLayer()
        case 2, 3: try container()
        case 4: try derived()
        case 5: try command(["rm", sharedID()], mayFail: ["layerNotFound", "layerInUse"])
        case 6: try look()
        default: try command(["gc"])
        }
    }

    /// The id of the layer that all apply and remove: its chain's, remembered by a file.
    private func sharedID() -> String {
        (try? fixture.directory.appending("shared").readText()) ?? "base"
    }

    /// Applies the same layer as others do, perhaps at the same time.
    private mutating func shareLayer() throws {
        guard let id = try command(["apply", "--parent", "base", fixture.small]) else { return }
        let own = fixture.directory.appending("shared-\(index)")
        try own.write(id.trimmingCharacters(in: .newlines))
        try runCommand("mv", [own.string, fixture.directory.appending("shared").string])
    }

    private mutating func ownLayer() throws {
        let id = "own-\(index)-\(turn)-\(commands)"
        try command(["apply", "--id", id, "--parent", "base", fixture.small])
        let diff = fixture.directory.appending("diff-\(index)").string
        try command(["diff", id, "-o", diff])
        try command(["rm", id])
    }

    /// The life of a container.
    private mutating func container() throws {
        let id = "box-\(index)-\(turn)-\(commands)"
        try command(["create", "--id", id, "--parent", "base"])
        let path = try command(["mount", id])?.trimmingCharacters(in: .newlines) ?? ""
        try runCommand("bash", ["-ec", "cd \"$1\"; echo $2 > own; rm etc/hosts", "in", path, id])
        try command(["unmount", id])
        if turn % 2 == 0 {
            try command(["commit", id])
            try command(["view", "--id", id + "-view", "--parent", id])
            try command(["mount", id + "-view"])
            try command(["unmount", id + "-view"])
            try command(["rm", id + "-view"])
        } else {
            let changes = try command(["changes", id]) ?? ""
            if !changes.contains("D /etc/hosts\n") || !changes.contains("A /own\n") {
                throw UnexpectedResult("changes of \(id): \(changes)")
            }
        }
        try command(["rm", id])
    }

    /// A layer on top of the one that others may remove at any time.
    private mutating func derived() throws {
        let shared = sharedID()
        let id = "top-\(index)-\(turn)-\(commands)"
        let made = try command(
            ["create", "--id", id, "--parent", shared], mayFail: ["layerNotFound"])
        guard made != nil else { return }
        // From here on nobody can remove the parent.
        try command(["mount", id])
        try command(["inspect", shared])
        try command(["unmount", id])
        try command(["rm", id])
    }

    /// Commands that only look never see a store in disorder.
    private mutating func look() throws {
        try command(["ls"])
        try command(["tree"])
        try command(["check"])
        try command(
            ["diff", sharedID(), "-o", fixture.directory.appending("diff-\(index)").string],
            mayFail: ["layerNotFound"])
    }
}
