// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Who uses a layer without a record keeps it from being sealed, removed, and mounted a second time; and so that
/// a committed layer never changes.
@Suite(.serialized, .enabled(if: Machine.isRoot, "namespaces are looked into by root"))
struct UseTests {
    static let cases = DriverUnderTest.usable.flatMap { driver in
        // A base layer of overlay is an upper directory above an empty one.
        [true, false].map { UseCase(driver: driver, isBase: $0) }
    }

    @Test(arguments: cases)
    func `a process in a mount namespace of its own keeps a layer in use`(_ use: UseCase) throws {
        try use.withLayer { store in
            let holder = try LayerHolder(.file, of: store.place, unshares: true)
            try store.command.succeed("unmount", "c")
            try store.requireRefusals(naming: "process \(holder.id)")
            #expect(try holder.write())
            holder.end()
            try store.requireFree()
        }
    }

    @Test(arguments: cases)
    func `a mount namespace without a process keeps a layer in use`(_ use: UseCase) throws {
        try use.withLayer { store in
            let namespace = try PinnedNamespace(below: store.command.directory)
            try store.command.succeed("unmount", "c")
            try store.requireRefusals(
                naming: use.seesPins ? "kept by \(namespace.pin)" : nil,
                isMountRefused: use.seesPins || use.isExact)
            namespace.end()
            try store.requireFree()
        }
    }

    @Test(arguments: cases)
    func `a record of a namespace is kept as long as the kernel keeps it`(_ use: UseCase) throws {
        try use.withDirectory { store in
            let namespace = try PinnedNamespace(below: store.command.directory)
            try runCommand("nsenter", ["--mount=\(namespace.pin)"] + store.line(["mount", "c"]))
            #expect(try store.command.succeed("inspect", "c").text.contains("/run/mnt/"))
            #expect(try store.command.succeed("check").text.contains("stale_mount") == false)
            try store.requireRefusals(naming: "kept by \(namespace.pin)")
            namespace.end()
            try store.requireFree()
        }
    }

    @Test(arguments: cases, LayerHolder.Hold.allCases)
    func `a mount that was taken away by hand is in use until its last user ends`(
        _ use: UseCase, _ hold: LayerHolder.Hold
    ) throws {
        try use.withLayer { store in
            let holder = try LayerHolder(hold, of: store.place)
            try MountPoint(store.place).unmount(detaching: true)
            // Neither forgets that the mount was lost as long as it is in use.
            #expect(try store.command.run(["unmount", "c"]).status == 1)
            _ = try store.command.run(["gc"])
            try store.requireRefusals(
                naming: use.namesProcesses ? "process \(holder.id)" : nil,
                isMountRefused: !use.isDevice)
            #expect(try holder.write())
            holder.end()
            try store.requireFree()
        }
    }

    @Test(arguments: cases)
    func `a second run root does not let a layer be used twice`(_ use: UseCase) throws {
        try use.withLayer { store in
            try store.requireRefusals(naming: store.place.string, runRoot: "run-2")
            try store.command.succeed("unmount", "c")
            try store.requireFree(runRoot: "run-2")
        }
    }

    @Test(arguments: cases)
    func `a layer shown at a second place by hand is not committed`(_ use: UseCase) throws {
        try use.withLayer { store in
            let second = store.command.directory.appending("second")
            try second.makeDirectory()
            try store.place.appending("d").makeDirectory()
            try Mount(.bind(store.place.appending("d"))).attach(at: second)
            try store.command.succeed("unmount", "c")
            try store.requireRefusals(naming: second.string)
            try MountPoint(second).unmount()
            try store.requireFree()
        }
    }

    @Test(arguments: cases)
    func `a mount inside a layer is named when it keeps the layer busy`(_ use: UseCase) throws {
        try use.withLayer { store in
            let inner = store.place.appending("proc")
            try inner.makeDirectory()
            try runCommand("mount", ["-t", "tmpfs", "inner", inner.string])
            let result = try store.command.run(["unmount", "c", "--json"])
            #expect(result.status == 1 && result.text.contains("layerInUse"))
            #expect(result.errors.contains(inner.string), "\(result.errors)")
            try MountPoint(inner).unmount()
            try store.command.succeed("unmount", "c")
            try store.requireFree()
        }
    }
}

/// A driver, and whether the layer that is used has a parent.
struct UseCase: Sendable, CustomTestStringConvertible {
    let driver: DriverUnderTest
    let isBase: Bool

    var testDescription: String { driver.name + (isBase ? ", base layer" : "") }

    /// Whether the kernel has an object for each layer that is mounted, which tells of any user.
    var isExact: Bool { driver.name == "overlay" }
    var isDevice: Bool { driver.name == "devicemapper" }
    /// Whether processes with something open are found, which overlay does not need.
    var namesProcesses: Bool { !isExact }
    /// Whether the kernel lists mount namespaces without processes (Linux 6.12).
    var seesPins: Bool { (try? MountSurvey(.target("/")).isWhole) ?? false }

    /// Lends a store with a layer `c`.
    func withDirectory(_ body: (UsedStore) throws -> Void) throws {
        try driver.withDirectory { directory in
            let store = UsedStore(
                command: GraphctlCommand(driver: driver.name, directory: directory))
            try store.makePlace()
            if isBase {
                try store.command.succeed("create", "--id", "c")
            } else {
                try store.command.succeed("create", "--id", "b")
                try store.command.succeed("commit", "b")
                try store.command.succeed("create", "--id", "c", "--parent", "b")
            }
            try body(store)
        }
    }

    /// The same with the layer mounted, and a file in it.
    func withLayer(_ body: (UsedStore) throws -> Void) throws {
        try withDirectory { store in
            try store.command.succeed("mount", "c", store.place.string)
            try store.place.appending("held").write(String(repeating: "x", count: 4096))
            try body(store)
        }
    }
}

/// A store whose layer `c` is used.
struct UsedStore {
    let command: GraphctlCommand
    /// Where it is mounted.
    var place: FilePath { command.directory.appending("place") }

    func makePlace() throws { try place.makeDirectory() }

    /// A command line on the store.
    func line(_ arguments: [String]) -> [String] {
        [
            GraphctlCommand.executable.string, "--root", command.root.string, "--run-root",
            command.runRoot.string, "--driver", command.driver,
        ] + arguments
    }

    private func runRoot(_ name: String) -> [String] {
        ["--run-root", command.directory.appending(name).string]
    }

    /// Makes sure that nothing can be done to the layer, and that it is said who uses it.
    func requireRefusals(
        naming name: String?, isMountRefused: Bool = true, runRoot: String = "run"
    ) throws {
        for verb in (isMountRefused ? ["mount"] : []) + ["commit", "rm"] {
            let result = try command.run([verb, "c", "--json"] + self.runRoot(runRoot))
            #expect(result.status == 1, "\(verb): \(result.text)")
            #expect(result.text.contains("layerInUse"), "\(verb): \(result.errors)")
            if let name { #expect(result.errors.contains(name), "\(verb): \(result.errors)") }
        }
    }

    /// Makes sure that all can be done again, that nothing was broken, and that nothing is left.
    func requireFree(runRoot: String = "run") throws {
        let options = self.runRoot(runRoot)
        func succeed(_ arguments: String...) throws {
            let result = try command.run(arguments + options)
            #expect(result.status == 0, "\(arguments): \(result.errors)")
        }
        try succeed("mount", "c", place.string)
        try place.appending("again").write("again")
        #expect(try place.names.contains("again"))
        try succeed("unmount", "c")
        try succeed("commit", "c")
        try succeed("check", "--deep")
        try succeed("rm", "c")
        #expect(try command.succeed("check").lines.count <= 1)
    }
}
