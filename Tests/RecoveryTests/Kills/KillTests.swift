// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import Testing

/// What is true after graphctl was killed, wherever it was.
///
/// Each point gets a copy of a store of its own. A sample of the points is taken, with the seed of
/// `GRAPH_TEST_SEED`, as many as the time allows; with `GRAPH_SOAK` it is all of them.
@Suite(.enabled(if: Graphctl.isAttackable, "needs a built graphctl, and strace"), .serialized)
struct KillTests {
    /// For each command on one driver.
    private static let sampleSeconds = 3.0

    @Test(arguments: DriverUnderTest.usable.map(\.name))
    func `a command killed at any system call leaves nothing, and can be repeated`(
        _ driver: String
    ) throws {
        try Fixture.withMemory { fixture in
            try fixture.withStore(driver) { template in
                try fixture.fill(template)
                for command in KilledCommand.all(fixture) {
                    try attackAll(command, fixture, template)
                }
            }
        }
    }

    private func attackAll(
        _ command: KilledCommand, _ fixture: Fixture, _ template: AttackedStore
    ) throws {
        var points = try fresh(command, fixture, template) { store in
            try command.prepare(store)
            return try KillPoint.all(of: store.line(command.line), root: store.root)
        }
        var generator = SeededGenerator(seed: SeededGenerator.runSeed)
        points.shuffle(using: &generator)
        let only = ProcessInfo.processInfo.environment["GRAPH_KILL_ONLY"]
        let isWhole = SeededGenerator.isSoak || only != nil
        let end = isWhole ? Date.distantFuture : Date(timeIntervalSinceNow: Self.sampleSeconds)
        var (tried, killed) = (0, 0)
        for point in points where Date() < end {
            let name = "\(template.driver), \(command.name), \(point)"
            if let only, only != name { continue }
            do {
                try fresh(command, fixture, template) { store in
                    if try command.attack(store, at: point) { killed += 1 }
                }
            } catch {
                Issue.record("GRAPH_KILL_ONLY='\(name)': \(error)")
            }
            tried += 1
        }
        print(
            "kill points: \(template.driver), \(command.name): \(tried) of \(points.count) tried,"
                + " \(killed) reached")
    }

    private func fresh<Value>(
        _ command: KilledCommand, _ fixture: Fixture, _ template: AttackedStore,
        _ body: (AttackedStore) throws -> Value
    ) throws -> Value {
        if command.startsEmpty { return try fixture.withStore(template.driver, body) }
        return try fixture.withCopy(of: template, body)
    }
}
