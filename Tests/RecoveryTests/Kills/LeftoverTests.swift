// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import Glibc
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What a store makes of what others left: locks, records of mounts, run roots.
@Suite(.enabled(if: Graphctl.path != nil, "needs a built graphctl"), .serialized)
struct LeftoverTests {
    static let drivers = ["overlay", "vfs"]

    @Test(arguments: drivers)
    func `an apply that waits for its input is left alone by everybody else`(
        _ driver: String
    ) throws {
        try withFilled(driver) { store, fixture in
            let slow = try SlowApply(store, fixture)
            try store.succeed("gc")
            #expect(try store.findings().isEmpty)
            #expect(try !store.layers().contains { $0.id == "slow" })
            let second = try store.graphctl(
                ["apply", "--id", "slow", "--parent", "base", fixture.small, "--json"])
            #expect(second.code == "layerExists", "\(second)")
            let parent = try store.graphctl(["rm", "eye", "box", "base", "--json"])
            #expect(parent.code == "layerInUse", "\(parent)")
            #expect(try slow.finish() == 0)
            #expect(try store.layers().contains { $0.id == "slow" })
        }
    }

    @Test(arguments: drivers)
    func `the lock of a killed process holds nobody up`(_ driver: String) throws {
        try withFilled(driver) { store, fixture in
            let slow = try SlowApply(store, fixture)
            slow.kill()
            // Nothing has opened the store in between: the id has to be free for the first.
            try store.succeed("apply", "--id", "slow", "--parent", "base", fixture.small)
            #expect(try store.findings().isEmpty)
            #expect(try store.collectable().map(\.kind) == ["trash"])
            try store.succeed("gc")
            try store.requireClean()
        }
    }

    @Test(arguments: drivers)
    func `mounts that somebody else took away are forgotten`(_ driver: String) throws {
        try withFilled(driver) { store, _ in
            let path = try store.succeed("mount", "box").trimmingCharacters(in: .newlines)
            try runCommand("umount", [path])
            #expect(try store.findings().map(\.kind) == ["stale_mount"])
            try store.succeed("gc")
            #expect(try store.findings().isEmpty)
            try store.succeed("mount", "box")
            try runCommand("umount", [path])
            // Without a collection: a mount again, and a removal.
            try store.succeed("mount", "box")
            #expect(store.mountPoints.count == 1)
            try runCommand("umount", [path])
            try store.succeed("rm", "box")
        }
    }

    @Test(arguments: drivers)
    func `a run root of an earlier boot is as good as none`(_ driver: String) throws {
        try withFilled(driver) { store, _ in
            let path = try store.succeed("mount", "box").trimmingCharacters(in: .newlines)
            try store.succeed("mount", "box")
            try runCommand("umount", [path])
            for name in try store.runRoot.names where name.hasPrefix("boot-") {
                try store.runRoot.appending(name).write("another boot\n")
            }
            #expect(try store.findings().isEmpty)
            #expect(try store.succeed("mount", "box", "--json").contains("\"count\": 1"))
            try store.succeed("unmount", "box")
            #expect(store.mountPoints.isEmpty)
            try store.succeed("rm", "box")
        }
    }

    @Test(arguments: drivers)
    func `a run root that is gone is made again`(_ driver: String) throws {
        try withFilled(driver) { store, _ in
            try store.runRoot.remove()
            try store.succeed("ls")
            try store.requireClean()
            try store.runRoot.remove()
            try store.succeed("mount", "box")
            try store.succeed("unmount", "box")
            try store.runRoot.remove()
            try store.succeed("commit", "box", "--id", "boxed")
            try store.runRoot.remove()
            try store.succeed("rm", "boxed")
        }
    }

    @Test(arguments: drivers)
    func `bytes that no record owns are found, and cleared by a collection`(
        _ driver: String
    ) throws {
        try withFilled(driver) { store, _ in
            let directory = store.root.appending(driver)
            let number = try directory.names.compactMap { Int($0) }.max() ?? 0
            try runCommand(
                "cp",
                ["-a", directory.appending("\(number)").string, directory.appending("900").string])
            let trash = store.root.appending("trash")
            try runCommand("mkdir", ["-p", trash.appending("\(driver)-77-abc/deep").string])
            let check = try store.graphctl(["check"])
            #expect(check.status == 2 && check.output.contains("unowned_layer"))
            #expect(try store.collectable().map(\.kind).sorted() == ["trash", "unowned_layer"])
            // To tell is not to do.
            #expect(try store.collectable().count == 2)
            // It may be a layer whose record was lost, until it bears the mark of unfinished ones.
            try store.succeed("gc")
            #expect(try store.collectable().map(\.kind) == ["unowned_layer"])
            try runCommand("chmod", ["1700", directory.appending("900").string])
            try store.succeed("gc")
            #expect(try store.collectable().isEmpty)
            try store.requireClean()
        }
    }

    @Test(arguments: drivers)
    func `what a killed probe left is cleared when it is old enough`(_ driver: String) throws {
        try withFilled(driver) { store, _ in
            let (old, new) = (".\(driver)-probe-1", ".\(driver)-probe-2")
            for name in [old, new] {
                try runCommand("mkdir", ["-p", store.root.appending(name + "/upper").string])
            }
            try runCommand("touch", ["-d", "2 minutes ago", store.root.appending(old).string])
            #expect(try store.collectable().map(\.subject) == [old])
            try store.succeed("gc")
            #expect(try store.root.names.filter { $0.contains("probe") } == [new])
            try store.root.appending(new).remove()
        }
    }

    @Test(arguments: drivers)
    func `records of mounts that are no database stop mounts and nothing else`(
        _ driver: String
    ) throws {
        try withFilled(driver) { store, fixture in
            let records = store.runRoot.appending("mounts.db")
            for suffix in ["-wal", "-shm"] {
                _ = try? FilePath(records.string + suffix).remove()
            }
            try records.write(String(repeating: "no database. ", count: 1000))
            try store.succeed("ls")
            try store.succeed("apply", "--parent", "base", fixture.small)
            let result = try store.graphctl(["mount", "box", "--json"])
            #expect(result.code == "storeDamaged" && result.errors.contains(records.string))
            try records.remove()
            try store.succeed("mount", "box")
            try store.succeed("unmount", "box")
        }
    }

    /// Lends a store with layers, and makes sure that all of it can go away in the end.
    private func withFilled(
        _ driver: String, _ body: (AttackedStore, Fixture) throws -> Void
    ) throws {
        try Fixture.with { fixture in
            try fixture.withStore(driver) { store in
                try fixture.fill(store)
                try body(store, fixture)
                #expect(try store.empty() == [])
            }
        }
    }
}

/// An apply of the layer `slow` that has got half of its tar and waits for the rest.
private final class SlowApply {
    private let process = Process()
    private let input = Pipe()
    private let rest: Data

    init(_ store: AttackedStore, _ fixture: Fixture) throws {
        let line = store.line(["apply", "--id", "slow", "--parent", "base", "-"])
        process.executableURL = URL(fileURLWithPath: line[0])
        process.arguments = Array(line.dropFirst())
        process.standardInput = input
        process.standardOutput = FileHandle.nullDevice
        let directory = store.root.appending(store.driver)
        let before = try directory.names.count
        try process.run()
        let tar = try Data(contentsOf: URL(fileURLWithPath: fixture.small))
        rest = tar.suffix(from: tar.count / 2)
        try input.fileHandleForWriting.write(contentsOf: tar.prefix(tar.count / 2))
        // It has begun once the layer has a directory.
        for _ in 0..<500 where try directory.names.count == before { usleep(10_000) }
        usleep(200_000)
    }

    /// Gives it the rest, and returns its status.
    func finish() throws -> Int32 {
        try input.fileHandleForWriting.write(contentsOf: rest)
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        return process.terminationStatus
    }

    func kill() {
        Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}
