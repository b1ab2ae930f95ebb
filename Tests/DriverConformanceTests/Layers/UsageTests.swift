// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What every driver promises about `usage`.
@Suite(.serialized) struct UsageTests {
    private func write(_ bytes: Int, to path: FilePath) throws {
        let file = try OwnedDescriptor.open(path, [.create, .writeOnly], permissions: 0o600)
        try file.write([UInt8](repeating: 7, count: bytes).span)
        try file.sync()
    }

    @Test(arguments: DriverUnderTest.usable)
    func `each file counts once, however many names it has, and holes do not`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try store.build(1) { _ in }
            let empty = try store.driver.usage(of: 1, parents: [])
            try store.build(2) { path in
                try write(1 << 20, to: path.appending("file"))
                let root = try Directory(opening: path)
                for name in 0..<10 {
                    try root.makeHardLink(RawPath("link \(name)"), to: "file", in: root)
                }
                let sparse = try root.open("sparse", [.create, .writeOnly], permissions: 0o600)
                try sparse.truncate(to: 1 << 30)
            }
            let usage = try store.driver.usage(of: 2, parents: [])
            #expect(usage.inodes == empty.inodes + 2)
            #expect(usage.bytes >= empty.bytes + 1 << 20)
            #expect(usage.bytes < empty.bytes + 1 << 20 + subject.usageSlackBytes)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `an active layer grows as it is written`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try store.build(1) { try write(100_000, to: $0.appending("file")) }
            try store.create(2, parents: [1])
            let before = try store.driver.usage(of: 2, parents: [1])
            try store.withTree(of: 2, parents: [1], writable: true) {
                try write(500_000, to: $0.appending("more"))
            }
            let after = try store.driver.usage(of: 2, parents: [1])
            #expect(after.bytes >= before.bytes + 500_000)
            #expect(after.inodes == before.inodes + 1)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `an unknown layer is not found`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            let error = #expect(throws: DriverError.self) {
                try store.driver.usage(of: 4, parents: [])
            }
            #expect(error?.code == .layerNotFound)
        }
    }
}
