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

/// How much is in a loop image, and below it.
@Suite(.serialized, .enabled(if: Machine.isRoot, "a loop image needs loop devices"))
struct LoopImageSpaceTests {
    @Test func `a loop image grows with a layer mounted, also when growing was cut off`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open(loopImage: LoopImageTests.loopImage)
        _ = try store.create(id: "work")
        let file = try store.mount("work").path.appending("file")
        try file.write("before")
        let control = try LoopImageControl(root: fixture.root)
        let before = try #require(try control.status().filesystemBytes)
        try control.grow(toBytes: 640 << 20)
        let after = try #require(try control.status().filesystemBytes)
        #expect(after > before + (256 << 20))
        try file.write("after")
        #expect(try file.readText() == "after")
        #expect(try store.check().isEmpty)
        for bytes in [UInt64(639 << 20), 300 << 20] {
            expect(.invalidArgument) { () throws(DriverError) in try control.grow(toBytes: bytes) }
        }
        // What a process leaves that was killed after its first step.
        try OwnedDescriptor.open(fixture.root.appending("bed.image"), .readWrite)
            .truncate(to: 900 << 20)
        #expect(try store.check().map(\.kind) == [.loopImage])
        try control.grow()
        #expect(try store.check().isEmpty)
        #expect(try #require(try control.status().filesystemBytes) > after + (200 << 20))
        try control.grow()
        try store.unmount(layer: "work")
    }

    @Test func `space in a loop image is given back when a layer is removed`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open(loopImage: LoopImageTests.loopImage)
        let control = try LoopImageControl(root: fixture.root)
        _ = try store.create(id: "work")
        let before = try control.status().allocatedBytes
        let file = try OwnedDescriptor.open(
            try store.mount("work").path.appending("file"), [.writeOnly, .create],
            permissions: 0o600)
        for _ in 0..<64 { try file.write([UInt8](repeating: 1, count: 1 << 20).span) }
        try file.sync()
        try file.close()
        let full = try control.status().allocatedBytes
        #expect(full >= before + (64 << 20))
        try store.unmount(layer: "work")
        try store.remove("work")
        try store.collectGarbage()
        // The kernel discards blocks behind the collection.
        var left = try control.status().allocatedBytes
        for _ in 0..<50 where left > full - (60 << 20) {
            Thread.sleep(forTimeInterval: 0.1)
            left = try control.status().allocatedBytes
        }
        #expect(left <= full - (60 << 20))
    }

    @Test func `a full loop image is a lack of space, out of which removing layers leads`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open(loopImage: LoopImageTests.loopImage)
        for name in ["one", "two"] { _ = try store.create(id: name) }
        let inside = fixture.root.appending("bed")
        let filler = try OwnedDescriptor.open(
            inside.appending("filler"), [.writeOnly, .create], permissions: 0o600)
        for length in [1 << 20, 65_536, 4096] {
            let block = [UInt8](repeating: 1, count: length)
            while (try? filler.write(block.span)) != nil {}
        }
        try filler.sync()
        try filler.close()
        expect(.noSpace) { () throws(DriverError) in
            while true { _ = try store.create(labels: ["a": String(repeating: "x", count: 4000)]) }
        }
        for name in ["one", "two"] { try store.remove(name) }
        try store.reclaim()
        try FileManager.default.removeItem(atPath: inside.appending("filler").string)
        _ = try store.create(id: "again")
        #expect(try store.check(deep: true).isEmpty)
    }

    @Test func `a full filesystem below is a lack of space, before and while a layer is written`()
        throws
    {
        try withLoopFilesystem(type: .ext4, size: 700 << 20, makeOptions: ["-m", "0"]) { disk in
            let fixture = try StoreFixture(at: disk.appending("store"))
            do {
                let store = try fixture.open(loopImage: NewLoopImage(.xfsImage, bytes: 4 << 30))
                let layer = try store.apply(MemorySource(try StoreFixture.tar("a", "1"))).layer
                let filler = disk.appending("filler")

                // Room for the beginning of a layer of 200 MiB.
                try fill(filler, leaving: 160 << 20, disk)
                let large = try StoreFixture.tar("b", String(repeating: "large ", count: 35 << 20))
                let error = expect(.noSpace) { () throws(DriverError) in
                    try store.apply(MemorySource(large))
                }
                #expect(error?.message.contains("below the loop image") == true)
                #expect(try store.layers().map(\.id) == [layer.id])

                // No room at all, and none for others either.
                try fill(filler, leaving: 0, disk)
                expect(.noSpace) { () throws(DriverError) in try store.create(id: "none") }
                expect(.noSpace) { () throws(DriverError) in
                    try LoopImageControl(root: fixture.root).grow(toBytes: 5 << 30)
                }
                #expect(try store.check().map(\.kind) == [.loopImage])
                #expect(try store.info().warnings.isEmpty == false)
                #expect(try store.layer(layer.id) == layer)
                try store.remove(layer.id)
                #expect(try store.layers().isEmpty)

                try filler.remove()
                _ = try store.create(id: "work")
                #expect(try store.check(deep: true).isEmpty)
            }
            try LoopImageControl(root: fixture.root).detach()
        }
    }

    /// Takes what is free on a disk but for `leaving` bytes, at once.
    private func fill(_ path: FilePath, leaving: UInt64, _ disk: FilePath) throws {
        if try path.exists { try path.remove() }
        let free = try OwnedDescriptor.open(disk, [.readOnly, .directory]).filesystem()
            .availableBytes
        let bytes = free - min(free, leaving + (1 << 20))
        try runCommand("fallocate", ["-l", "\(bytes)", path.string])
    }
}
