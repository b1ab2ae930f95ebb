// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What every driver promises about `inventory`.
@Suite(.serialized) struct InventoryTests {
    @Test(arguments: DriverUnderTest.usable)
    func `layers, trash and what the driver did not make are told apart`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            #expect(try store.driver.inventory().isEmpty)
            try store.create(1)
            try store.build(20) { _ in }
            try store.create(3)
            try store.driver.remove(3)
            let directory = store.root.appending(subject.name)
            try directory.appending("007").makeDirectory()
            try directory.appending("notes").write("mine")
            let items = try store.driver.inventory()
            #expect(items.filter { $0.kind == .layer(1) }.map(\.location) == ["\(subject.name)/1"])
            #expect(
                items.filter { $0.kind == .layer(20) }.map(\.location) == ["\(subject.name)/20"])
            let foreign = items.filter { $0.kind == .foreign }.map(\.location)
            #expect(foreign == ["\(subject.name)/007", "\(subject.name)/notes"])
            let trash = items.filter { $0.kind == .trash }
            #expect(trash.count == 1)
            #expect(trash.allSatisfy { $0.location.hasPrefix("trash/\(subject.name)-3-") })
            #expect(items.count == 5)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `the trash of another driver is left alone`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try store.create(1)
            try store.driver.remove(1)
            let other = store.root.appending("trash/another-1-0")
            try other.makeDirectory()
            try store.driver.reclaim(observer: .none)
            #expect(try store.driver.inventory().isEmpty)
            #expect(try other.exists)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `another driver object sees the same`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("file").write("x") }
            try store.create(2, parents: [1])
            let other = TestStore(driver: try subject.open(store.root), root: store.root)
            #expect(try other.driver.inventory() == store.driver.inventory())
            #expect(
                try other.driver.mounts(for: 2, parents: [1], writable: true)
                    == store.driver.mounts(for: 2, parents: [1], writable: true))
        }
    }
}
