// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphCore
import GraphSQLite
import GraphStore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Counted mounts, and what the kernel says to them.
@Suite(.serialized, .enabled(if: geteuid() == 0, "mounting needs root")) struct MountTests {
    @Test
    func `the log of the records has the room that was made for it, however many processes write`()
        throws
    {
        let fixture = try StoreFixture()
        _ = try fixture.open().create(id: "work")
        let log = fixture.runRoot.appending("mounts.db-wal")
        var counts: [String: Int] = [:]
        var random = SeededGenerator(seed: SeededGenerator.runSeed)
        for _ in 0..<120 {
            // As a process does: one change, and the store is let go.
            let store = try fixture.open()
            let target = try fixture.makeTarget("at \(Int.random(in: 0..<3, using: &random))")
            if counts[target.string, default: 0] > 0, random.chance(45) {
                counts[target.string, default: 0] = try store.unmount(target: target).count
            } else {
                counts[target.string] = try store.mount("work", at: target).count
            }
            #expect(try FileStatus(of: log).size == 65_536)
        }
        for (target, count) in counts {
            for _ in 0..<count { try fixture.open().unmount(target: FilePath(target)) }
        }
    }

    @Test func `a layer is unmounted as often as it was mounted`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let layer = try store.create(id: "work")
        let first = try store.mount("work")
        #expect(first.layer == layer && first.count == 1)
        #expect(first.path.string.hasSuffix("/run/mnt/\(layer.number)"))
        #expect(try MountPoint(first.path).mountID() != nil)
        #expect(try store.mount("work").count == 2)
        #expect(try store.mounted("work").map(\.count) == [2])
        #expect(try store.info().mountedLayers == 1)
        #expect(try store.unmount(layer: "work").count == 1)
        #expect(try store.unmount(target: first.path).count == 0)
        #expect(try MountPoint(first.path).mountID() == nil)
        #expect(!FileManager.default.fileExists(atPath: first.path.string))
        #expect(try store.mounted("work").isEmpty)
        expect(.invalidArgument) { () throws(DriverError) in try store.unmount(layer: "work") }
    }

    @Test func `a driver without devices gives none, and nothing is counted`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        _ = try store.create(id: "work")
        expect(.unsupported) { () throws(DriverError) in try store.mountDevice("work") }
        #expect(try store.mounted("work").isEmpty)
        #expect(try store.mount("work").count == 1)
        expect(.layerInUse) { () throws(DriverError) in try store.mountDevice("work") }
        #expect(try store.unmount(layer: "work").count == 0)
        #expect(try store.check().isEmpty)
    }

    @Test func `a second target shows the first mount`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        _ = try store.create(id: "work")
        let one = try fixture.makeTarget("one")
        let two = try fixture.makeTarget("two")
        _ = try store.mount("work", at: one)
        _ = try store.mount("work", at: two)
        try "x".write(toFile: one.appending("f").string, atomically: false, encoding: .utf8)
        #expect(FileManager.default.fileExists(atPath: two.appending("f").string))
        #expect(Set(try store.mounted("work").map(\.path.string)).count == 2)
        #expect(try store.unmount(target: one).count == 0)
        #expect(FileManager.default.fileExists(atPath: two.appending("f").string))
        #expect(try store.unmount(layer: "work").count == 0)
        // The caller's directories stay.
        #expect(FileManager.default.fileExists(atPath: two.string))
    }

    @Test func `a target has one layer`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        _ = try store.create(id: "one")
        _ = try store.create(id: "two")
        let target = try fixture.makeTarget("target")
        _ = try store.mount("one", at: target)
        let link = fixture.directory.appending("link")
        try FileManager.default.createSymbolicLink(
            atPath: link.string, withDestinationPath: target.string)
        expect(.layerInUse) { () throws(DriverError) in try store.mount("two", at: link) }
        #expect(try store.mount("one", at: link).count == 2)
        #expect(try store.unmount(target: link).count == 1)
        #expect(try store.unmount(layer: "one").count == 0)
    }

    @Test func `a mounted layer is neither removed nor committed`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        _ = try store.create(id: "work")
        let mounted = try store.mount("work")
        let error = expect(.layerInUse) { () throws(DriverError) in try store.remove("work") }
        #expect(error?.message.contains(mounted.path.string) == true)
        expect(.layerInUse) { () throws(DriverError) in try store.commit("work") }
        try store.unmount(layer: "work")
        _ = try store.commit("work")
        try store.remove("work")
    }

    @Test func `a view is read-only`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let base = try store.apply(MemorySource(try StoreFixture.tar("a", "1"))).layer
        _ = try store.createView(id: "view", parent: base.id)
        let path = try store.mount("view").path
        #expect(try String(contentsOfFile: path.appending("a").string, encoding: .utf8) == "1")
        #expect(throws: (any Error).self) {
            try "2".write(toFile: path.appending("a").string, atomically: false, encoding: .utf8)
        }
        try store.unmount(layer: "view")
        #expect(try store.remove("view").kind == .view)
        #expect(try fixture.layersOnDisk().count == 1)
    }

    @Test func `a mount that somebody else ended is forgotten`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        _ = try store.create(id: "work")
        let path = try store.mount("work").path
        _ = try store.mount("work")
        try MountPoint(path).unmount()
        #expect(try store.mounted("work").isEmpty)
        #expect(try store.check().map(\.kind) == [.staleMount])
        #expect(try store.mount("work").count == 1)
        try store.unmount(layer: "work")
        try store.remove("work")
    }

    @Test func `a mount under another one is not taken for gone`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        _ = try store.create(id: "work")
        let path = try store.mount("work").path
        let other = try fixture.makeTarget("other")
        try Mount(.bind(other)).attach(at: path)
        expect(.layerInUse) { () throws(DriverError) in try store.remove("work") }
        expect(.layerInUse) { () throws(DriverError) in try store.unmount(layer: "work") }
        try MountPoint(path).unmount()
        #expect(try store.unmount(layer: "work").count == 0)
    }

    @Test func `a busy mount names the process that uses it`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        _ = try store.create(id: "work")
        let path = try store.mount("work").path
        let user = Process()
        user.executableURL = URL(fileURLWithPath: "/bin/sleep")
        user.arguments = ["60"]
        user.currentDirectoryURL = URL(fileURLWithPath: path.string)
        try user.run()
        let error = expect(.layerInUse) { () throws(DriverError) in
            try store.unmount(layer: "work")
        }
        #expect(error?.message.contains("\(user.processIdentifier)") == true)
        #expect(try store.mounted("work").map(\.count) == [1])
        kill(user.processIdentifier, SIGKILL)
        user.waitUntilExit()
        #expect(try store.unmount(layer: "work").count == 0)
    }

    @Test func `a layer that lives in another mount namespace is in use`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        let layer = try store.create(id: "work")
        let other = Process()
        other.executableURL = URL(fileURLWithPath: "/usr/bin/unshare")
        let place = try fixture.makeTarget("elsewhere")
        try Mount(.bind(place)).attach(at: place)
        other.arguments = ["--mount", "/bin/sleep", "60"]
        try other.run()
        let namespace = try waitForNamespace(of: other.processIdentifier)
        try MountPoint(place).unmount()
        try record(layer.number, namespace, place, fixture, store)
        let name = "\(other.processIdentifier)"
        let mounting = expect(.layerInUse) { () throws(DriverError) in try store.mount("work") }
        #expect(mounting?.message.contains(name) == true)
        let removing = expect(.layerInUse) { () throws(DriverError) in try store.remove("work") }
        #expect(removing?.message.contains(name) == true)
        kill(other.processIdentifier, SIGKILL)
        other.waitUntilExit()
        #expect(try store.mount("work").count == 1)
        try store.unmount(layer: "work")
    }

    private func waitForNamespace(of process: Int32) throws -> UInt64 {
        let own = try MountPoint.currentNamespace()
        for _ in 0..<200 {
            let text = try FileManager.default.destinationOfSymbolicLink(
                atPath: "/proc/\(process)/ns/mnt")
            let digits = text.filter(\.isNumber)
            if let inode = UInt64(digits), inode != own { return inode }
            usleep(10_000)
        }
        throw DriverError(.system, "the process made no namespace")
    }

    /// The id of the mount at a place of another namespace, where the kernel tells.
    private func mountID(at place: FilePath, in namespace: UInt64) throws -> UInt64? {
        let survey = try MountSurvey(.target(place))
        return survey.isWhole ? survey.found.first { $0.namespace == namespace }?.id : nil
    }

    /// What a process in another namespace would have recorded of a mount at a place.
    private func record(
        _ number: LayerNumber, _ namespace: UInt64, _ place: FilePath, _ fixture: StoreFixture,
        _ store: LayerStore
    ) throws {
        _ = try store.mount("work")
        try store.unmount(layer: "work")
        try fixture.tamperMounts(
            """
            INSERT INTO mounts (store, layer, target, namespace, count, mount_id, previous_id,
                stacked, owns_target) VALUES (?, ?, ?, ?, 1, ?, NULL, 1, 0)
            """,
            [
                try store.info().storeID, number.rawValue, place.string, Int64(namespace),
                try mountID(at: place, in: namespace).map { Int64($0) } ?? 1,
            ])
    }
}
