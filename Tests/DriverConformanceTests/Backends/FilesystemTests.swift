// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// The drivers on the filesystems that stores lie on.
@Suite(.serialized, .enabled(if: Machine.isRoot, "makes filesystems")) struct FilesystemTests {
    struct Bed: Sendable, CustomTestStringConvertible {
        let subject: DriverUnderTest
        let type: TestFilesystem
        var testDescription: String { "\(subject.name) on \(type)" }

        static let all = DriverUnderTest.usable.flatMap { subject in
            subject.filesystems.filter { $0 != .tmpfs || tmpfsKeepsUserAttributes }
                .map { Bed(subject: subject, type: $0) }
        }

        /// Linux 6.6 and later.
        private static let tmpfsKeepsUserAttributes =
            (try? withLoopFilesystem(type: .tmpfs) {
                try Directory(opening: $0).attributes(of: ".").set(
                    ExtendedAttribute(name: "user.note", value: [1]))
            }) != nil
    }

    @Test(arguments: Bed.all)
    func `a layer is made, applied to, sealed, mounted, diffed and removed`(_ bed: Bed) throws {
        try withLoopFilesystem(type: bed.type) { root in
            let requirements = bed.subject.type.probe(root: root)
            let unmet = requirements.filter { !$0.isOptional && !$0.isMet }
            #expect(unmet == [])
            let store = TestStore(driver: try bed.subject.open(root), root: root)
            try store.apply(1) { try RichTree.fill($0.directory) }
            let base = try store.snapshot(of: 1)
            try store.build(2, parents: [1], durability: .durable) { tree in
                try tree.appending("plain").write("changed")
                try tree.appending("inherits").remove()
            }
            let source = try store.driver.diffSource(of: 2, parents: [1], from: 1, baseParents: [])
            #expect(
                try treeChanges(source).map(\.description) == ["D /inherits", "M /plain"])
            expectSame(try store.snapshot(of: 1), base)
            #expect(try store.driver.usage(of: 2, parents: [1]).inodes > 0)
            try store.driver.remove(2)
            try store.driver.remove(1)
            try store.driver.reclaim(observer: .none)
            #expect(try store.driver.inventory().isEmpty)
        }
    }

    @Test(arguments: Bed.all)
    func `on a full filesystem a layer can be removed, and then there is room`(
        _ bed: Bed
    ) throws {
        try withLoopFilesystem(type: bed.type) { root in
            let store = TestStore(driver: try bed.subject.open(root), root: root)
            try store.build(1) { try $0.appending("small").write("x") }
            try store.create(2)
            try store.withTree(of: 2, writable: true) { try fill($0.appending("large")) }
            let error = #expect(throws: (any Error).self) {
                try store.create(3)
                try store.withTree(of: 3, writable: true) { tree in
                    try fill(tree.appending("more"))
                    try tree.appending("directory").makeDirectory()
                    try tree.appending("directory/file").write(
                        String(repeating: "x", count: 70_000))
                }
            }
            #expect(error != nil)
            try store.driver.remove(3)
            try store.driver.remove(2)
            try store.driver.reclaim(observer: .none)
            #expect(try store.driver.inventory().map(\.kind) == [.layer(1)])
            try store.build(4, parents: [1]) { tree in
                let file = try OwnedDescriptor.open(
                    tree.appending("fits"), [.create, .writeOnly], permissions: 0o600)
                try file.write([UInt8](repeating: 1, count: 1 << 20).span)
                try file.sync()
            }
            #expect(try store.snapshot(of: 4, parents: [1]).paths == ["fits", "small"])
        }
    }

    /// Writes until nothing more fits.
    private func fill(_ path: FilePath) throws {
        let file = try OwnedDescriptor.open(path, [.create, .writeOnly], permissions: 0o600)
        for size in [1 << 20, 4_096] {
            let block = [UInt8](repeating: 3, count: size)
            while true {
                do throws(SyscallError) {
                    try file.write(block.span)
                } catch {
                    if error.errno == .noSpace { break }
                    throw error
                }
            }
        }
        // What the filesystem took without a place for it on disk fails here.
        try? file.sync()
    }

    @Test(arguments: DriverUnderTest.usable.filter { $0.filesystems.contains(.ext4) })
    func `a layer whose bytes did not reach the disk is not sealed, the first time and the second`(
        _ subject: DriverUnderTest
    ) throws {
        // A disk that takes writes only as long as the file under it finds room.
        try withLoopFilesystem(type: .tmpfs, size: 24 << 20) { small in
            try withLoopFilesystem(type: .ext4, size: 96 << 20, below: small) { root in
                let store = TestStore(driver: try subject.open(root), root: root)
                try store.create(1)
                try store.create(2)
                try store.withTree(of: 2, writable: true) { try $0.appending("file").write("x") }
                try store.withTree(of: 1, writable: true) { tree in
                    let file = try OwnedDescriptor.open(
                        tree.appending("large"), [.create, .writeOnly], permissions: 0o600)
                    for _ in 0..<60 { try file.write([UInt8](repeating: 3, count: 1 << 20).span) }
                }
                // The second layer's bytes may be among those that were lost.
                for layer in [1, 1, 2] as [LayerNumber] {
                    let error = #expect(throws: DriverError.self) {
                        try store.driver.seal(layer, parents: [], durability: .durable)
                    }
                    #expect(error?.cause?.call == "syncfs")
                }
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable.filter { $0.filesystems.contains(.tmpfs) })
    func `without inodes a layer is refused, and the error says so`(
        _ subject: DriverUnderTest
    ) throws {
        try withLoopFilesystem(type: .tmpfs, options: ["nr_inodes=40"]) { root in
            let store = TestStore(driver: try subject.open(root), root: root)
            try store.create(1)
            try store.withTree(of: 1, writable: true) { tree in
                let directory = try Directory(opening: tree)
                for name in 0..<100 {
                    do throws(SyscallError) {
                        try directory.makeSpecial(RawPath("\(name)"), .fifo, permissions: 0o600)
                    } catch {
                        break
                    }
                }
            }
            let error = #expect(throws: DriverError.self) { try store.create(2) }
            #expect(error?.code == .noSpace)
            #expect(error?.resource == .inodes)
            try store.driver.remove(1)
            try store.driver.reclaim(observer: .none)
            try store.create(2)
        }
    }
}
