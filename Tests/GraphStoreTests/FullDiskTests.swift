// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphCore
import GraphStore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// A disk without space is an ordinary state, out of which removing layers leads.
@Suite(.serialized, .enabled(if: geteuid() == 0, "mounting needs root")) struct FullDiskTests {
    @Test func `layers are removed from a full tmpfs`() throws {
        let fixture = try StoreFixture()
        try mountTmpfs(at: fixture.directory, [MountOption("size", "24m")])
        try fillAndRemove(fixture, fixture.directory)
    }

    @Test(
        .enabled(
            if: ProcessInfo.processInfo.environment["GRAPH_IN_USERNS"] == nil,
            "makes a filesystem"))
    func `layers are removed from a full ext4`() throws {
        let fixture = try StoreFixture()
        let image = fixture.directory.appending("image")
        try run("/usr/bin/truncate", ["-s", "32M", image.string])
        try run("/usr/sbin/mkfs.ext4", ["-q", "-m", "0", image.string])
        let target = try fixture.makeTarget("disk")
        try run("/usr/bin/mount", ["-o", "loop", image.string, target.string])
        let inner = try StoreFixture(at: target.appending("store"))
        try fillAndRemove(inner, target)
    }

    @Test func `layers are removed while somebody else takes every byte that gets free`() throws {
        let fixture = try StoreFixture()
        try mountTmpfs(at: fixture.directory, [MountOption("size", "24m")])
        for index in 0..<40 { _ = try fixture.open().create(id: "layer-\(index)") }
        for index in 0..<40 {
            try fill(fixture.directory.appending("filler-\(index)"))
            try fixture.open().remove("layer-\(index)")
        }
        #expect(try fixture.open().layers().isEmpty)
    }

    @Test func `a lack of inodes is told from a lack of bytes`() throws {
        let fixture = try StoreFixture()
        try mountTmpfs(
            at: fixture.directory, [MountOption("size", "24m"), MountOption("nr_inodes", "40")])
        let store = try fixture.open()
        _ = try store.create(id: "first")
        var count = 0
        var failure: DriverError?
        while failure == nil && count < 60 {
            do throws(DriverError) {
                _ = try store.create()
                count += 1
            } catch {
                failure = error
            }
        }
        #expect(failure?.code == .noSpace && failure?.resource == .inodes)
        #expect(try store.layers().count == count + 1)
        try store.remove("first")
        try store.reclaim()
        _ = try store.create(id: "again")
    }

    private func fillAndRemove(_ fixture: StoreFixture, _ disk: FilePath) throws {
        let layers = try fixture.open()
        for name in ["one", "two", "three", "four"] {
            let layer = try layers.create(id: name)
            let file = fixture.layers.appending("\(layer.number)").appending("data")
            try Data(count: 200_000).write(to: URL(fileURLWithPath: file.string))
        }
        let reserve = fixture.root.appending("reserve")
        #expect(try size(ofFilesIn: reserve) == 1 << 20)
        try fill(disk.appending("filler"))
        // Another process would find the disk as it is, and without a file of SQLite's.
        let store = try fixture.open()
        expect(.noSpace) { () throws(DriverError) in
            while true { _ = try store.create(labels: ["a": String(repeating: "x", count: 4000)]) }
        }
        try fill(disk.appending("filler2"))
        #expect(try store.layer("one").id == "one")
        for name in ["one", "two", "three"] { try store.remove(name) }
        #expect(try store.reclaim() >= 600_000)
        #expect(try fixture.open().check(deep: true).isEmpty)
        for name in ["filler", "filler2"] {
            try FileManager.default.removeItem(atPath: disk.appending(name).string)
        }
        try store.reclaim()
        #expect(try size(ofFilesIn: reserve) == 1 << 20)
        _ = try store.create(id: "one")
    }

    private func size(ofFilesIn directory: FilePath) throws -> UInt64 {
        try directory.names.reduce(0) { size, name in
            try size + OwnedDescriptor.open(directory.appending(name), .readOnly).status().size
        }
    }

    /// Writes until nothing fits, to the last byte.
    private func fill(_ path: FilePath) throws {
        let file = try OwnedDescriptor.open(path, [.writeOnly, .create], permissions: 0o600)
        for length in [1 << 20, 65_536, 4096, 512, 1] {
            let block = [UInt8](repeating: 1, count: length)
            while (try? file.write(block.span)) != nil {}
        }
        // Delayed blocks may be refused only now.
        try? file.sync()
    }

    private func mountTmpfs(at target: FilePath, _ options: [MountOption]) throws {
        try Mount(.device("tmpfs", type: "tmpfs", options: options)).attach(at: target)
    }

    private func run(_ program: String, _ arguments: [String]) throws {
        let process = try Process.run(URL(fileURLWithPath: program), arguments: arguments)
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }
}
