// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What becomes of a store whose records are lost, damaged, or those of another day: nothing that was
/// sealed goes away, whoever is refused is told what to do, and putting the file back gives all back.
@Suite(
    .serialized, .enabled(if: Graphctl.isAttackable, "needs graphctl and strace"),
    .enabled(if: geteuid() == 0, "mounting needs root"))
struct RecordsLostTests {
    private static let subjects = DriverUnderTest.usable.filter(\.keepsTreesInStore)

    /// How often the records are damaged; those of devicemapper are in a guest, which is slow.
    private static func momentCount(_ subject: DriverUnderTest) -> Int {
        if let given = ProcessInfo.processInfo.environment["GRAPH_TEST_MOMENTS"] {
            return Int(given) ?? 1
        }
        return SeededGenerator.isSoak ? 200 : subject.keepsTreesInStore ? 15 : 10
    }

    @Test(.timeLimit(.minutes(60)), arguments: DriverUnderTest.usable)
    func `nothing sealed goes away with its record`(_ subject: DriverUnderTest) throws {
        let count = Self.momentCount(subject)
        let seed = SeededGenerator.runSeed
        var random = SeededGenerator(seed: seed)
        let kinds = RecordDamage.all.shuffled(using: &random)
        var refusedCount = 0
        var struckCount = 0
        try withStore(subject) { history in
            var history = history
            var older: [[String: Data]] = []
            for moment in 0..<count {
                try history.goOn()
                let damage = kinds[moment % kinds.count]
                do {
                    let outcome = try strike(damage, history, older, &random)
                    struckCount += outcome == nil ? 0 : 1
                    refusedCount += outcome == true ? 1 : 0
                } catch {
                    Issue.record("GRAPH_TEST_SEED=\(seed), moment \(moment), \(damage): \(error)")
                    return
                }
                older.append(RecordFiles.read(history.store.root))
                if older.count > 20 { older.removeFirst() }
            }
        }
        // Or the test looks at nothing.
        #expect(refusedCount > 0 && struckCount > count / 2)
        print("\(subject.name): \(struckCount) of \(count) moments, \(refusedCount) refused")
    }

    /// Damages the records, runs every verb, and looks.
    ///
    /// - Returns: Whether the store refused to go on; nil where nothing was damaged.
    private func strike(
        _ damage: RecordDamage, _ history: RecordedHistory, _ older: [[String: Data]],
        _ random: inout SeededGenerator
    ) throws -> Bool? {
        let store = history.store
        let (listed, sealed) = (try store.succeed("ls", "--json"), try history.sealedTrees())
        let ids = try store.layers().map(\.id)
        let files = RecordFiles.read(store.root)
        guard try damage.strike(store.root, older: older, &random) else { return nil }
        if damage.isAfterBoot { try restart(store) }
        let isRefused = try runVerbs(history, ids, &random)
        for (directory, tree) in sealed.sorted(by: { $0.key < $1.key }) {
            let now = try TreeSnapshot(of: history.tree(in: FilePath(directory)))
            if now != tree { throw UnexpectedResult("\(directory) is not what it was") }
        }
        if isRefused {
            if let bytes = files[damage.file], damage.file != "graph.db-shm" {
                try RecordFiles.write(bytes, store.root.appending(damage.file))
            }
            let now = try store.succeed("ls", "--json")
            if now != listed { throw UnexpectedResult("put back, it lists \(now), not \(listed)") }
        } else {
            let now = try store.layers().map(\.id)
            let gone = ids.filter { !now.contains($0) }
            if !gone.isEmpty { throw UnexpectedResult("it went on without \(gone)") }
        }
        let check = try store.graphctl(["check", "--deep"])
        if !check.isSuccess || !check.output.isEmpty { throw UnexpectedResult("\(check)") }
        return isRefused
    }

    /// As if the machine had been started since: nothing is mounted then.
    private func restart(_ store: AttackedStore) throws {
        unmountAll(below: store.runRoot)
        if store.driver == "devicemapper" { _ = try store.graphctl(["pool", "stop"]) }
        try? FileManager.default.removeItem(atPath: store.runRoot.string)
    }

    /// Runs every verb, and makes sure that those that fail for the records say so.
    ///
    /// - Returns: Whether changes were refused.
    private func runVerbs(
        _ history: RecordedHistory, _ ids: [String], _ random: inout SeededGenerator
    ) throws -> Bool {
        let store = history.store
        let tag = String(UInt32.random(in: 0...UInt32.max, using: &random), radix: 16)
        let (created, applied) = ("v\(tag)", "w\(tag)")
        let some = ids.randomElement(using: &random) ?? "none"
        let looks = [["ls"], ["inspect", some], ["df"], ["check"]]
        let changes = [
            ["create", "--id", created], ["apply", "--id", applied, history.tars[0].string],
            ["mount", created], ["unmount", created], ["commit", created], ["gc"],
            ["rm", created], ["rm", applied],
        ]
        var refused: [String] = []
        var succeeded: [String] = []
        for verb in looks + changes {
            let result = try store.graphctl(verb)
            if result.isSuccess { succeeded.append(verb[0]) }
            let says = result.output + result.errors
            if result.status == 0 || says.contains("there is no layer") { continue }
            if !says.contains("graph.db") {
                throw UnexpectedResult("it does not say what to do: \(result)")
            }
            if verb[0] != "check" && changes.contains(verb) { refused.append(verb[0]) }
        }
        // All or nothing: what is refused once is refused for all changes.
        if !refused.isEmpty && succeeded.contains("create") {
            throw UnexpectedResult("refused: \(refused), done: \(succeeded)")
        }
        let check = try store.graphctl(["check"])
        if !refused.isEmpty && check.status != 2 {
            throw UnexpectedResult("\(refused) are refused, not \(succeeded), but \(check)")
        }
        return !refused.isEmpty
    }

    @Test(arguments: subjects)
    func `an operator may go on without what is lost`(_ subject: DriverUnderTest) throws {
        try withStore(subject) { history in
            let store = history.store
            try store.succeed("apply", "--id", "kept", history.tars[0].string)
            let files = RecordFiles.read(store.root)
            try store.succeed("apply", "--id", "lost", history.tars[1].string)
            for (name, bytes) in files {
                try RecordFiles.write(bytes, store.root.appending(name))
            }
            let refused = try store.graphctl(["create", "--id", "new"])
            #expect(refused.status == 1 && refused.errors.contains("gc --orphans"))
            #expect(try store.graphctl(["rm", "kept"]).status == 1)
            #expect(try store.graphctl(["gc"]).status == 1)
            let check = try store.graphctl(["check"])
            #expect(check.status == 2 && check.output.contains("records_lost"))
            #expect(check.output.contains("\(subject.name)/2"))
            try store.succeed("gc", "--orphans")
            try store.requireClean()
            #expect(try store.layers().map(\.id) == ["kept"])
            try store.succeed("create", "--id", "new")
            // Never the number of what was lost.
            #expect(try store.succeed("inspect", "new").contains("\"number\": 3"))
            try restart(store)
            try store.requireClean()
        }
    }

    @Test(arguments: subjects)
    func `where layers lie without records no store is made`(_ subject: DriverUnderTest) throws {
        try withStore(subject) { history in
            let store = history.store
            try store.succeed("apply", "--id", "kept", history.tars[0].string)
            let files = RecordFiles.read(store.root)
            let sealed = try history.sealedTrees()
            for leavesLock in [true, false] {
                for name in files.keys { try store.root.appending(name).remove() }
                if !leavesLock { try store.root.appending("owners.lock").remove() }
                for verb in [["ls"], ["create"], ["init"], ["apply", history.tars[1].string]] {
                    let result = try store.graphctl(verb)
                    #expect(result.status == 1 && result.errors.contains("graph.db"), "\(result)")
                }
                #expect(try store.graphctl(["check"]).status == 2)
                for (name, bytes) in files {
                    try RecordFiles.write(bytes, store.root.appending(name))
                }
                try store.requireClean()
                #expect(try history.sealedTrees() == sealed)
            }
        }
    }

    @Test(arguments: subjects, [true, false])
    func `a copy without the index of the log is read by others`(
        _ subject: DriverUnderTest, _ isMedium: Bool
    ) throws {
        try withStore(subject) { history in
            let store = history.store
            try store.succeed("apply", "--id", "kept", history.tars[0].string)
            let listed = try store.succeed("ls", "--json")
            let size = RecordFiles.read(store.root)["graph.db-wal"]?.count ?? 0
            #expect(size > 0, "nothing is to be read from the log")
            try store.root.appending("graph.db-shm").remove()
            let before = RecordFiles.read(store.root)
            var wrapper: [String] = []
            if isMedium {
                try Mount(.bind(store.root), attributes: .readOnly).attach(at: store.root)
            } else {
                let upper = store.root.removingLastComponent()
                for path in [upper, store.root] { try runCommand("chmod", ["0755", path.string]) }
                for name in ["graph.db", "graph.db-wal", "owners.lock", subject.name] {
                    try runCommand("chmod", ["a+rX", store.root.appending(name).string])
                }
                wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            }
            let result = try store.graphctl(["ls", "--json"], under: wrapper)
            #expect(result.isSuccess && result.output.contains("kept"), "\(result)")
            #expect(result.output == listed + "\n" || result.output == listed)
            #expect(result.errors.isEmpty)
            #expect(try store.graphctl(["create"], under: wrapper).code != "system")
            if isMedium { try MountPoint(store.root).unmount() }
            #expect(RecordFiles.read(store.root) == before)
        }
    }

    /// Lends a store with a history, and takes everything away.
    private func withStore(
        _ subject: DriverUnderTest, _ body: (RecordedHistory) throws -> Void
    ) throws {
        try subject.withDirectory { directory in
            let store = AttackedStore(
                root: directory.appending("root"), runRoot: directory.appending("run"),
                driver: subject.name)
            var tars: [FilePath] = []
            for index in 0..<3 {
                let (files, tar) = (
                    directory.appending("files-\(index)"), directory.appending("\(index).tar")
                )
                try files.makeDirectory()
                for name in 0...index { try files.appending("f\(name)").write("\(index) \(name)") }
                try runCommand("tar", ["-cf", tar.string, "-C", files.string, "."])
                tars.append(tar)
            }
            defer { unmountAll(below: store.runRoot) }
            try store.succeed("init")
            try body(RecordedHistory(store, tars: tars, seed: SeededGenerator.runSeed))
        }
    }
}
