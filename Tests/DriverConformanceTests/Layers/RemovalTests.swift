// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What every driver promises about `remove` and `reclaim`.
@Suite(.serialized) struct RemovalTests {
    @Test(arguments: DriverUnderTest.usable)
    func `a removed layer is gone, and removing it again does nothing`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("file").write("x") }
            try store.driver.remove(1)
            let error = #expect(throws: DriverError.self) {
                try store.driver.mounts(for: 1, parents: [], writable: false)
            }
            #expect(error?.code == .layerNotFound)
            try store.driver.remove(1)
            try store.driver.remove(77)
            let layers = try store.driver.inventory().filter { $0.kind == .layer(1) }
            #expect(layers.isEmpty)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `reclaiming frees what was removed and tells how much`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try store.build(1) { root in
                let file = try OwnedDescriptor.open(
                    root.appending("file"), [.create, .writeOnly], permissions: 0o600)
                try file.write([UInt8](repeating: 1, count: 3 << 20).span)
                try file.sync()
                try Directory(opening: root).makeHardLink(
                    "again", to: "file", in: try Directory(opening: root))
            }
            try store.build(2) { try $0.appending("kept").write("x") }
            let usage = try store.driver.usage(of: 1, parents: [])
            try store.driver.remove(1)
            let freed = try store.driver.reclaim(observer: .none)
            // The directory around the layer is freed too; the file with two names is counted once.
            #expect(freed >= usage.bytes || !subject.tellsFreedBytes)
            #expect(freed < usage.bytes + 100_000)
            #expect(try store.driver.reclaim(observer: .none) == 0)
            #expect(try store.driver.inventory().map(\.kind) == [.layer(2)])
            #expect(try store.snapshot(of: 2).paths == ["kept"])
        }
    }

    @Test(.enabled(if: Machine.isRoot, "locks are root's"), arguments: DriverUnderTest.usable)
    func `immutable and append-only files are no hindrance`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try store.create(1)
            try store.withTree(of: 1, writable: true) { root in
                try root.appending("directory").makeDirectory()
                try root.appending("directory/locked").write("x")
                try root.appending("appended").write("x")
                try runCommand("chattr", ["+i", root.appending("directory/locked").string])
                try runCommand("chattr", ["+a", root.appending("appended").string])
                try runCommand("chattr", ["+i", root.appending("directory").string])
            }
            try store.driver.remove(1)
            try store.driver.reclaim(observer: .none)
            #expect(try store.driver.inventory().isEmpty)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a tree five thousand directories deep is freed`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try store.create(1)
            try store.withTree(of: 1, writable: true) { root in
                var directory = try Directory(opening: root)
                for _ in 0..<5_000 {
                    directory = try directory.makeOrOpenDirectory("deep", permissions: 0o755)
                }
            }
            try store.driver.seal(1, parents: [], durability: .unsynced)
            #expect(try store.driver.usage(of: 1, parents: []).inodes >= 5_001)
            try store.create(2, parents: [1])
            try store.driver.remove(2)
            try store.driver.remove(1)
            try store.driver.reclaim(observer: .none)
            #expect(try store.driver.inventory().isEmpty)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a stopped reclaim is no failure, and the next one goes on from there`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            for layer in 1...4 as ClosedRange<UInt32> {
                let number = LayerNumber(rawValue: layer)
                try store.build(number) { root in
                    for name in 0..<40 { try root.appending("\(name)").write("x") }
                }
                try store.driver.remove(number)
            }
            let stopped = WorkObserver(isCancelled: { true })
            try store.driver.reclaim(observer: stopped)
            #expect(try !store.driver.inventory().isEmpty)
            try store.driver.reclaim(observer: .none)
            #expect(try store.driver.inventory().isEmpty)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `several reclaim at once, and none of them fails`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            for layer in 1...6 as ClosedRange<UInt32> {
                let number = LayerNumber(rawValue: layer)
                try store.build(number) { root in
                    for directory in 0..<12 {
                        let path = root.appending("d\(directory)")
                        try path.makeDirectory()
                        for name in 0..<12 { try path.appending("\(name)").write("x") }
                    }
                }
                try store.driver.remove(number)
            }
            let other = try subject.open(store.root)
            let failures = Failures()
            // Two drivers, as two processes would have, each in two threads.
            let drivers = [store.driver, other, store.driver, other]
            try ParallelWork<Int, DriverError>.run(-1, threadsMax: 4) {
                index, work throws(DriverError) in
                if index < 0 {
                    for next in drivers.indices { work.add(next) }
                } else {
                    do throws(DriverError) {
                        try drivers[index].reclaim(observer: .none)
                    } catch {
                        failures.add(error)
                    }
                }
            }
            #expect(failures.all == [])
            #expect(try store.driver.inventory().isEmpty)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `removing takes no longer for many files than for none`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try store.create(1)
            try store.withTree(of: 1, writable: true) { root in
                for name in 0..<3_000 { try root.appending("\(name)").write("") }
            }
            // Counted in names that are still there afterwards, because time on a shared machine
            // tells nothing.
            try store.driver.remove(1)
            let trash = try Directory(opening: store.root.appending("trash")).listing()
            #expect(trash.count == 1)
            let freed = try store.driver.inventory().filter { $0.kind == .trash }
            #expect(freed.count == 1)
        }
    }

    @Test(
        .enabled(if: Machine.isRoot, "mounts in the trash"),
        arguments: DriverUnderTest.usable.filter(\.keepsTreesInStore))
    func `what is mounted in a removed layer is never deleted, and holds up no other layer`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            let precious = store.root.appending("precious")
            try precious.makeDirectory()
            try precious.appending("file").write("keep me")
            try store.build(1) { try $0.appending("place").makeDirectory() }
            try store.build(2) { try $0.appending("file").write("x") }
            try store.driver.remove(1)
            try store.driver.remove(2)
            let place = try #require(
                try findDirectory("place", below: store.root.appending("trash")))
            try Mount(.bind(precious)).attach(at: place)
            let error = #expect(throws: DriverError.self) {
                try store.driver.reclaim(observer: .none)
            }
            #expect(error?.cause?.errno == .resourceBusy)
            #expect(try precious.appending("file").readText() == "keep me")
            #expect(try store.driver.inventory().count == 1)
            try MountPoint(place).unmount()
            try store.driver.reclaim(observer: .none)
            #expect(try store.driver.inventory().isEmpty)
            #expect(try precious.appending("file").exists)
        }
    }

    private func findDirectory(_ name: String, below path: FilePath) throws -> FilePath? {
        for below in try path.names {
            let found = path.appending(below)
            if below == name { return found }
            let type = try Directory(opening: path).status(of: RawPath(below)).type
            if type == .directory, let inside = try findDirectory(name, below: found) {
                return inside
            }
        }
        return nil
    }
}
