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

/// Which stores are opened, how, and which are refused.
@Suite struct OpeningTests {
    @Test func `a store keeps its driver`() throws {
        let fixture = try StoreFixture()
        #expect(try fixture.open().driver.name == "folder")
        let error = expect(.driverMismatch) { () throws(DriverError) in
            try fixture.open(driver: "other")
        }
        #expect(error?.message.contains("folder") == true)
        #expect(error?.message.contains("other") == true)
        #expect(try fixture.open(driver: "folder").info().driver == "folder")
        expect(.invalidArgument) { () throws(DriverError) in try fixture.open(driver: "nonesuch") }
    }

    @Test
    func `the log of the records does not grow with the number of processes that change them`()
        throws
    {
        let fixture = try StoreFixture()
        _ = try fixture.open().create(id: "work")
        var longest: UInt64 = 0
        for number in 0..<200 {
            _ = try fixture.open().setLabels(of: "work", ["number": "\(number)"])
            longest = max(longest, try FileStatus(of: fixture.root.appending("graph.db-wal")).size)
        }
        // 128 pages, and what one change adds.
        #expect(longest < 160 * 4_120)
        #expect(try fixture.open().layer("work").labels == ["number": "199"])
    }

    @Test func `a driver hears its own options and nobody else's`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open(options: ["folder.depth": "3", "other.depth": "9"])
        #expect(store.driver.capabilities.depthMax == 3)
        expect(.invalidArgument) { () throws(DriverError) in
            try fixture.open(options: ["folder.nonesuch": "1"])
        }
        expect(.invalidArgument) { () throws(DriverError) in
            try fixture.open(options: ["nobody.depth": "1"])
        }
        // Whatever order a dictionary has in this process, the driver's own key wins.
        for depth in 2..<40 {
            let store = try fixture.open(
                options: ["folder.depth": "\(depth)", "depth": "1", "other.depth": "9"])
            #expect(store.driver.capabilities.depthMax == depth)
        }
    }

    @Test func `a store is for its owner alone`() throws {
        let fixture = try StoreFixture()
        _ = try fixture.open()
        for path in [fixture.root, fixture.runRoot] {
            #expect(try Directory(opening: path).status().permissions == 0o700)
        }
    }

    @Test func `a newer store is refused`() throws {
        let fixture = try StoreFixture()
        _ = try fixture.open()
        try fixture.tamper("PRAGMA user_version = 999")
        let error = expect(.unsupported) { () throws(DriverError) in try fixture.open() }
        #expect(error?.message.contains("999") == true)
    }

    @Test func `what is no database is a damaged store`() throws {
        let fixture = try StoreFixture()
        _ = try fixture.open()
        for name in ["graph.db-wal", "graph.db-shm"] {
            try? FileManager.default.removeItem(atPath: fixture.root.appending(name).string)
        }
        try String(repeating: "no database ", count: 1000).write(
            toFile: fixture.root.appending("graph.db").string, atomically: false, encoding: .utf8)
        expect(.storeDamaged) { () throws(DriverError) in try fixture.open() }
    }

    @Test func `a store whose maker died is made by the next`() throws {
        let fixture = try StoreFixture()
        _ = try fixture.makeTarget("root")
        let queue = try DatabaseQueue(path: fixture.root.appending("graph.db").string)
        try queue.inDatabase { try $0.execute(sql: "PRAGMA journal_mode = WAL") }
        try queue.close()
        #expect(try fixture.open().info().storeID.count == 32)
    }

    @Test func `another program's database is no store`() throws {
        let fixture = try StoreFixture()
        _ = try fixture.makeTarget("root")
        let queue = try DatabaseQueue(path: fixture.root.appending("graph.db").string)
        try queue.inDatabase { try $0.execute(sql: "CREATE TABLE t (a)") }
        try queue.close()
        expect(.storeDamaged) { () throws(DriverError) in try fixture.open() }
    }

    @Test func `no store is made for reading`() throws {
        let fixture = try StoreFixture()
        expect(.storeReadOnly) { () throws(DriverError) in try fixture.open(readOnly: true) }
        #expect(!FileManager.default.fileExists(atPath: fixture.root.string))
    }

    @Test(arguments: [true, false])
    func `a store opened for reading changes nothing`(_ hasLog: Bool) throws {
        let fixture = try StoreFixture()
        let layer = try makeStore(fixture)
        if !hasLog { try fixture.tamper("SELECT 1") }
        let before = try files(in: fixture.directory)
        #expect(before.keys.contains("root/graph.db-wal") == hasLog)
        // Without a log SQLite makes an empty one where it can: see the next test for where not.
        if !hasLog { return }
        try look(at: try fixture.open(readOnly: true), layer)
        let after = try files(in: fixture.directory)
        #expect(after == before, "\(after.filter { before[$0.key] != $0.value })")
    }

    @Test(.enabled(if: geteuid() == 0, "mounting needs root"), arguments: [true, false])
    func `a store on a read-only filesystem is read without a write`(_ hasLog: Bool) throws {
        let fixture = try StoreFixture()
        let layer = try makeStore(fixture)
        if !hasLog { try fixture.tamper("SELECT 1") }
        let before = try files(in: fixture.directory)
        #expect(before.keys.contains("root/graph.db-wal") == hasLog)
        try Mount(.bind(fixture.root), attributes: .readOnly).attach(at: fixture.root)
        try lookAndMountView(fixture, layer)
        try MountPoint(fixture.root).unmount()
        let after = try files(in: fixture.root)
        #expect(after == before.inside("root/"))
    }

    private func lookAndMountView(_ fixture: StoreFixture, _ layer: Layer) throws {
        let store = try fixture.open()
        try look(at: store, layer)
        #expect(try store.info().isReadOnly)
        expect(.storeReadOnly) { () throws(DriverError) in try store.mount("work") }
        let view = try store.mount("view")
        #expect(try String(contentsOfFile: view.path.appending("a").string, encoding: .utf8) == "1")
        try store.unmount(layer: "view")
    }

    @Test(.enabled(if: geteuid() == 0, "mounting needs root"))
    func `an operation cut off is seen, and left, on a read-only filesystem`() throws {
        let fixture = try StoreFixture()
        _ = try makeStore(fixture)
        try fixture.tamper("UPDATE layers SET state = 'creating', owner = 4711 WHERE id = 'work'")
        try Mount(.bind(fixture.root), attributes: .readOnly).attach(at: fixture.root)
        let store = try fixture.open()
        #expect(try store.layers().count == 2)
        #expect(try store.check().map(\.kind) == [.interruptedOperation])
        expect(.storeReadOnly) { () throws(DriverError) in try store.collectGarbage() }
    }

    /// A store with a layer of each kind, left as a process leaves it that ends.
    private func makeStore(_ fixture: StoreFixture) throws -> Layer {
        let store = try fixture.open()
        let layer = try store.apply(MemorySource(try StoreFixture.tar("a", "1"))).layer
        _ = try store.create(id: "work", parent: layer.id)
        _ = try store.createView(id: "view", parent: layer.id)
        return layer
    }

    /// Does all that reads, and tries all that writes.
    private func look(at store: LayerStore, _ layer: Layer) throws {
        #expect(try store.layers().count == 3)
        #expect(try store.layer(layer.id) == layer)
        #expect(try store.changes(of: layer.id).map(\.description) == ["A /a"])
        #expect(try store.check(deep: true).isEmpty)
        #expect(try store.diskUsage().layers.count == 3)
        #expect(try store.mounted(layer.id).isEmpty)
        #expect(try store.collectGarbage(dryRun: true).isEmpty)
        let source = MemorySource(try StoreFixture.tar("b", "2"))
        expect(.storeReadOnly) { () throws(DriverError) in try store.create() }
        expect(.storeReadOnly) { () throws(DriverError) in try store.remove("work") }
        expect(.storeReadOnly) { () throws(DriverError) in try store.apply(source) }
        expect(.storeReadOnly) { () throws(DriverError) in try store.commit("work") }
        expect(.storeReadOnly) { () throws(DriverError) in try store.reclaim() }
        expect(.storeReadOnly) { () throws(DriverError) in try store.collectGarbage() }
        expect(.storeReadOnly) { () throws(DriverError) in
            try store.setLabels(of: "work", ["a": "b"])
        }
    }

    /// Every file below a directory with what any write would change.
    private func files(in directory: FilePath) throws -> [String: String] {
        var files: [String: String] = [:]
        let names = FileManager.default.enumerator(atPath: directory.string)
        while let name = names?.nextObject() as? String {
            let path = directory.appending(name)
            let parent = try Directory(opening: path.removingLastComponent())
            let status = try parent.status(of: RawPath(path.lastComponent?.string ?? ""))
            // Not the time of change: SQLite sets the owner of its log to what it is already.
            files[name] = "\(status.size) \(status.modified) \(status.inode)"
        }
        return files
    }
}

extension [String: String] {
    /// The entries whose key begins with a prefix, without it.
    fileprivate func inside(_ prefix: String) -> [String: String] {
        var found: [String: String] = [:]
        for (key, value) in self where key.hasPrefix(prefix) {
            found[String(key.dropFirst(prefix.count))] = value
        }
        return found
    }
}
