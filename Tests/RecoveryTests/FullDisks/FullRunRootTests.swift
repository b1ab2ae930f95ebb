// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What works when ROOT, RUN-ROOT or both have no space.
@Suite(.enabled(if: Graphctl.isAttackable, "needs a built graphctl"), .serialized)
struct FullRunRootTests {
    @Test(arguments: FullPlaces.chosen)
    func `only mounting needs space, and what it mounts can be written to`(
        _ places: FullPlaces
    ) throws {
        try Fixture.with { fixture in
            try places.make { disks, store in
                try prepare(store, fixture, places)
                for disk in disks { try fill(disk, places.resource) }
                try mountOrNoSpace("fresh", store)
                if places.isUsed {
                    for layer in ["box", "box", "eye"] { try store.succeed("unmount", layer) }
                }
                #expect(store.mountPoints == [])
                #expect(try store.graphctl(["unmount", "box", "--json"]).code == "invalidArgument")
                #expect(try store.layers().count == 5)
                #expect(try store.findings(deep: false).isEmpty)
                try store.succeed("rm", "spare")
                try store.succeed("gc")
                #expect(try store.findings(deep: false).isEmpty)
                #expect(try store.layers().count == 4)
                for disk in disks { try disk.clear() }
                try store.requireClean()
                try mountAndWrite("fresh", store)
                #expect(try store.empty() == [])
            }
        }
    }

    @Test(arguments: FullDisk.Resource.allCases)
    func `an overlay that falls back to read-only is not mounted`(
        _ resource: FullDisk.Resource
    ) throws {
        try Fixture.with { fixture in
            let inodes = resource == .inodes ? 512 : nil
            try FullDisk.with(.ext4, "overlay", inodes: inodes) { disk, store in
                try fixture.fill(store)
                try store.succeed("create", "--id", "fresh", "--parent", "base")
                try fill(disk, resource)
                let result = try store.graphctl(["mount", "fresh", "--json"])
                #expect(result.status == 1 && result.code == "noSpace", "\(result)")
                #expect(store.mountPoints == [])
                #expect(try store.graphctl(["unmount", "fresh"]).status == 1)
                try disk.clear()
                try mountAndWrite("fresh", store)
                try store.requireClean()
                #expect(try store.empty() == [])
            }
        }
    }

    @Test(
        .enabled(
            if: DriverUnderTest.all.contains { $0.name == "overlay" }, "an overlay is remounted"))
    func `a mount that has become read-only is counted for nobody who wants to write`() throws {
        try Fixture.withMemory { fixture in
            try fixture.withStore("overlay") { store in
                try fixture.fill(store)
                let place = try firstLine(store.succeed("mount", "box"))
                try runCommand("mount", ["-o", "remount,ro", place])
                let result = try store.graphctl(["mount", "box", "--json"])
                #expect(result.status == 1 && result.code == "storeReadOnly", "\(result)")
                let elsewhere = store.runRoot.appending("elsewhere")
                try runCommand("mkdir", [elsewhere.string])
                let second = try store.graphctl(["mount", "box", elsewhere.string, "--json"])
                #expect(second.status == 1 && second.code == "storeReadOnly", "\(second)")
                #expect(store.mountPoints == [place])
                try store.succeed("unmount", "box")
                try mountAndWrite("box", store)
                try runCommand("rmdir", [elsewhere.string])
                #expect(try store.empty() == [])
            }
        }
    }

    /// The fixture's layers, and two that were never mounted.
    private func prepare(
        _ store: AttackedStore, _ fixture: Fixture, _ places: FullPlaces
    ) throws {
        let other = AttackedStore(
            root: store.root, runRoot: fixture.directory.appending("run"), driver: store.driver)
        try fixture.fill(places.isUsed ? store : other)
        for id in ["fresh", "spare"] {
            try (places.isUsed ? store : other).succeed("create", "--id", id, "--parent", "base")
        }
        if !places.isUsed { return }
        for layer in ["box", "box", "eye"] { try store.succeed("mount", layer) }
    }

    private func fill(_ disk: FullDisk, _ resource: FullDisk.Resource) throws {
        try disk.fill(leaving: 0, resource)
    }

    /// Mounts a layer so that it can be written to, or fails and mounts nothing.
    private func mountOrNoSpace(_ layer: String, _ store: AttackedStore) throws {
        let before = store.mountPoints
        let result = try store.graphctl(["mount", layer])
        if result.isSuccess {
            #expect(try !MountPoint(FilePath(firstLine(result.output))).isReadOnly())
            try store.succeed("unmount", layer)
        } else {
            let again = try store.graphctl(["mount", layer, "--json"])
            #expect(again.status == 1 && again.code == "noSpace", "\(again)")
        }
        #expect(store.mountPoints == before)
    }

    private func mountAndWrite(_ layer: String, _ store: AttackedStore) throws {
        let place = FilePath(try firstLine(store.succeed("mount", layer)))
        let file = try OwnedDescriptor.open(
            place.appending("written"), [.writeOnly, .create], permissions: 0o644)
        try file.write("here\n")
        try file.close()
        try store.succeed("unmount", layer)
    }

    private func firstLine(_ text: String) throws -> String {
        try #require(text.split(separator: "\n").first.map(String.init))
    }
}
