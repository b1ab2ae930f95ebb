// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import GraphVFS
import Synchronization
import SystemPackage
import Testing

/// What the vfs driver promises beyond the contract.
@Suite(.serialized, .usable("vfs")) struct VFSTests {
    private let subject = DriverUnderTest(VFSDriver.self)

    @Test(.enabled(if: Machine.isRoot, "makes a filesystem"))
    func `a copy is refused before it is begun when it will not fit`() throws {
        try withLoopFilesystem(type: .tmpfs, size: 20 << 20) { root in
            let store = TestStore(driver: try subject.open(root), root: root)
            try store.build(1) { tree in
                let file = try OwnedDescriptor.open(
                    tree.appending("large"), [.create, .writeOnly], permissions: 0o600)
                try file.write([UInt8](repeating: 1, count: 14 << 20).span)
            }
            let reports = Atomic<Int>(0)
            let observer = WorkObserver(progressed: { _ in reports.add(1, ordering: .relaxed) })
            let error = #expect(throws: DriverError.self) {
                try store.driver.create(2, parents: [1], limits: .none, observer: observer)
            }
            #expect(error?.code == .noSpace)
            #expect(error?.resource == .bytes)
            // Both numbers are told: what is needed, and what there is.
            let numbers = error?.message.split { !$0.isNumber }.compactMap { Int($0) } ?? []
            #expect(numbers.contains { $0 >= 14 << 20 && $0 < 15 << 20 })
            #expect(numbers.contains { $0 > 1 << 20 && $0 < 7 << 20 })
            #expect(reports.load(ordering: .relaxed) == 0)
            try store.driver.reclaim(observer: .none)
            #expect(try store.driver.inventory().map(\.kind) == [.layer(1)])
        }
    }

    @Test(.enabled(if: Machine.isRoot, "makes a filesystem"))
    func `a copy is refused before it is begun when inodes are short`() throws {
        try withLoopFilesystem(type: .tmpfs, options: ["nr_inodes=100"]) { root in
            let store = TestStore(driver: try subject.open(root), root: root)
            try store.build(1) { tree in
                for name in 0..<60 { try tree.appending("\(name)").write("") }
            }
            let error = #expect(throws: DriverError.self) { try store.create(2, parents: [1]) }
            #expect(error?.code == .noSpace)
            #expect(error?.resource == .inodes)
            #expect(error?.message.contains("61 inodes") == true)
        }
    }

    @Test(
        .enabled(if: Machine.isRoot, "makes filesystems"), arguments: [TestFilesystem.xfs, .btrfs])
    func `where files can share blocks, a chain of copies takes no more than its changes`(
        _ type: TestFilesystem
    ) throws {
        try withLoopFilesystem(type: type) { root in
            let store = TestStore(driver: try subject.open(root), root: root)
            #expect(store.driver.capabilities.hasReflink)
            let bytes = 20 << 20
            try store.build(1, durability: .durable) { tree in
                let file = try OwnedDescriptor.open(
                    tree.appending("large"), [.create, .writeOnly], permissions: 0o600)
                try file.write([UInt8](repeating: 1, count: bytes).span)
                try file.sync()
            }
            let disk = try Directory(opening: root)
            let before = try disk.descriptor.filesystem().availableBytes
            var chain: [LayerNumber] = [1]
            for layer in 2...6 as ClosedRange<UInt32> {
                let number = LayerNumber(rawValue: layer)
                try store.build(number, parents: chain, durability: .durable) { _ in }
                chain.insert(number, at: 0)
            }
            let taken = Int(before) - Int(try disk.descriptor.filesystem().availableBytes)
            #expect(taken < bytes / 10)
            let shown = try store.snapshot(of: 6, parents: Array(chain.dropFirst()))
            #expect(shown.entries["large"]?.status.size == UInt64(bytes))
        }
    }

    @Test func `a copy tells how far it is, and stops when asked`() throws {
        try subject.withDriver { store in
            try store.build(1) { tree in
                for directory in 0..<20 {
                    let path = tree.appending("d\(directory)")
                    try path.makeDirectory()
                    for name in 0..<20 {
                        try path.appending("\(name)").write(String(repeating: "x", count: 5_000))
                    }
                }
            }
            let most = Mutex<UInt64>(0)
            let watching = WorkObserver(progressed: { progress in
                most.withLock { $0 = max($0, progress.completedBytes) }
            })
            try store.driver.create(2, parents: [1], limits: .none, observer: watching)
            let reflinked = store.driver.capabilities.hasReflink
            #expect(reflinked || most.withLock { $0 } == 20 * 20 * 5_000)

            let count = Atomic<Int>(0)
            let stopping = WorkObserver(isCancelled: {
                count.add(1, ordering: .relaxed).newValue > 100
            })
            let error = #expect(throws: DriverError.self) {
                try store.driver.create(3, parents: [1], limits: .none, observer: stopping)
            }
            #expect(error?.code == .cancelled)
            let layers = try store.driver.inventory().map(\.kind).filter { $0 != .trash }
            #expect(layers == [.layer(1), .layer(2)])
        }
    }

    @Test func `paths longer than one call takes are copied`() throws {
        try subject.withDriver { store in
            try store.create(1)
            try store.withTree(of: 1, writable: true) { tree in
                var directory = try Directory(opening: tree)
                let name = RawPath(String(repeating: "d", count: 250))
                // 60 levels of 250 bytes are four times PATH_MAX.
                for depth in 0..<60 {
                    try directory.makeDirectory("side", permissions: 0o751)
                    let file = try directory.open(
                        "file", [.create, .writeOnly], permissions: 0o640)
                    try file.write("\(depth)")
                    try directory.makeHardLink("link", to: "file", in: directory)
                    directory = try directory.makeOrOpenDirectory(name, permissions: 0o711)
                }
            }
            let parent = try store.snapshot(of: 1)
            #expect(parent.entries.count == 241)
            try store.build(2, parents: [1]) { _ in }
            expectSame(try store.snapshot(of: 2, parents: [1]), parent)
        }
    }
}
