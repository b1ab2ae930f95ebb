// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What every driver promises about `seal`.
@Suite(.serialized) struct SealTests {
    @Test(arguments: DriverUnderTest.usable, [Durability.durable, .unsynced])
    func `a sealed layer shows what was written, and sealing it again does nothing`(
        _ subject: DriverUnderTest, _ durability: Durability
    ) throws {
        try subject.withDriver { store in
            try store.create(1)
            try store.withTree(of: 1, writable: true) { try $0.appending("file").write("x") }
            try store.driver.seal(1, parents: [], durability: durability)
            let sealed = try store.snapshot(of: 1)
            #expect(sealed.paths == ["file"])
            try store.driver.seal(1, parents: [], durability: durability)
            expectSame(try store.snapshot(of: 1), sealed)
            try store.build(2, parents: [1], durability: durability) { _ in }
            expectSame(try store.snapshot(of: 2, parents: [1]), sealed)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `an unknown layer is not found`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            for durability in [Durability.durable, .unsynced] {
                let error = #expect(throws: DriverError.self) {
                    try store.driver.seal(5, parents: [], durability: durability)
                }
                #expect(error?.code == .layerNotFound)
            }
        }
    }

    /// A process may die after sealing and before that is recorded.
    @Test(arguments: DriverUnderTest.usable)
    func `a layer that was sealed but not recorded can still be written`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try store.build(1) { _ in }
            try store.build(2, parents: [1]) { try $0.appending("one").write("x") }
            try store.withTree(of: 2, parents: [1], writable: true) {
                try $0.appending("two").write("x")
            }
            try store.driver.seal(2, parents: [1], durability: .durable)
            #expect(try store.snapshot(of: 2, parents: [1]).paths == ["one", "two"])
        }
    }
}
