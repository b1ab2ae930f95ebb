// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphBtrfs
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What the btrfs driver promises about what was left, removed or is being freed.
@Suite(.serialized, .usable("btrfs")) struct BtrfsUpkeepTests {
    private let subject = DriverUnderTest(BtrfsDriver.self)

    /// A snapshot as a diff makes it for the moment.
    private func leave(_ name: RawPath, in store: TestStore, owner: Bool) throws -> FilePath {
        let left = store.root.appending(name.description)
        try left.makeDirectory(permissions: 0o700)
        if owner { try left.appending("owner").write("") }
        let subvolume = try Subvolume("btrfs/1/tree", in: Directory(opening: store.root))
        try subvolume.makeSnapshot("tree", in: Directory(opening: left), isReadOnly: true)
        return left
    }

    @Test func `what a diff left that was killed is freed by the next opening`() throws {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("kept").write("one") }
            let left = try leave(".btrfs-diff-1", in: store, owner: true)
            let working = try leave(".btrfs-diff-2", in: store, owner: true)
            guard let lock = try RangeLock(trying: 0, in: working.appending("owner")) else {
                Issue.record("somebody holds a lock that was just made")
                return
            }
            let trash = try store.driver.inventory().filter { $0.kind == .trash }
            #expect(trash.map(\.location) == [".btrfs-diff-1"])
            _ = try subject.open(store.root, readOnly: true)
            #expect(try left.exists)
            _ = try subject.open(store.root)
            #expect(try !left.exists)
            try store.driver.reclaim(observer: .none)
            #expect(try working.exists)
            _ = consume lock
            try store.driver.reclaim(observer: .none)
            #expect(try !working.exists)
        }
    }

    @Test func `what a diff left before it had a lock is freed a minute later`() throws {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("kept").write("one") }
            let left = try leave(".btrfs-diff-3", in: store, owner: false)
            try store.driver.reclaim(observer: .none)
            #expect(try left.exists)
            try Directory(opening: store.root)
                .setTimes(of: ".btrfs-diff-3", Timestamp(seconds: Timestamp.now.seconds - 61))
            try store.driver.reclaim(observer: .none)
            #expect(try !left.exists)
        }
    }

    @Test func `a removed layer that is being sent is freed later`() throws {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("kept").write("one") }
            try store.build(2, parents: [1]) { root in
                // More than the pipe holds.
                let value = [UInt8](repeating: 7, count: 12_000)
                for index in 0..<200 {
                    let path = root.appending("\(index)")
                    try path.write("")
                    try OwnedDescriptor.open(path, .readOnly)
                        .setAttribute(ExtendedAttribute(name: "user.large", value: value))
                }
            }
            let subvolumes = try Directory(opening: store.root).openDirectory("btrfs")
            let sent = try Subvolume("2/tree", in: subvolumes)
            let base = try Subvolume("1/tree", in: subvolumes).id()
            var outcome: Result<[InventoryItem], any Error>?
            try sent.send(from: base) { _ in
                outcome = Result {
                    try store.driver.remove(2)
                    try store.driver.reclaim(observer: .none)
                    return try store.driver.inventory()
                }
                return false
            }
            #expect(try outcome?.get().map(\.kind) == [.layer(1), .trash])
            try store.driver.reclaim(observer: .none)
            #expect(try store.driver.inventory().map(\.kind) == [.layer(1)])
        }
    }

    @Test func `computing mounts changes nothing, and reopening makes a sealed layer writable`()
        throws
    {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("kept").write("one") }
            let subvolume = try Subvolume("btrfs/1/tree", in: Directory(opening: store.root))
            for isWritable in [true, false] {
                _ = try store.driver.mounts(for: 1, parents: [], writable: isWritable)
                #expect(try subvolume.isReadOnly())
            }
            try store.driver.reopen(1)
            #expect(try !subvolume.isReadOnly())
        }
    }

    @Test func `what the kernel has still to free is counted`() throws {
        try withLoopFilesystem(type: .btrfs, size: 256 << 20) { root in
            let store = TestStore(driver: try subject.open(root), root: root)
            // Opening tries what it needs, with two subvolumes.
            #expect(try #require(store.driver.freeingCount()) <= 2)
            for layer in 1...20 {
                try store.build(LayerNumber(rawValue: UInt32(layer))) {
                    try $0.appending("file").write("x")
                }
            }
            for layer in 1...20 { try store.driver.remove(LayerNumber(rawValue: UInt32(layer))) }
            try store.driver.reclaim(observer: .none)
            let count = try #require(store.driver.freeingCount())
            #expect(count <= 22)
            let details = store.driver.capabilities.details
            #expect(details.contains { $0.key == "subvolumes being freed" })
            for _ in 0..<200 where store.driver.freeingCount() != 0 {
                // Wakes the kernel's thread that frees.
                try BtrfsFilesystem(of: Directory(opening: root)).commit()
                Pause.milliseconds(50)
            }
            #expect(store.driver.freeingCount() == 0)
        }
    }

    @Test func `where quotas are exact the bytes of what waits in the trash are told`() throws {
        try withLoopFilesystem(type: .btrfs, size: 256 << 20) { root in
            try runCommand("btrfs", ["quota", "enable", root.string])
            try runCommand("btrfs", ["quota", "rescan", "-w", root.string])
            let store = TestStore(driver: try subject.open(root), root: root)
            try store.build(1, durability: .durable) { root in
                try root.appending("file").write(String(repeating: "x", count: 1 << 20))
            }
            try store.driver.remove(1)
            let trash = try store.driver.inventory()
            #expect(trash.map(\.kind) == [.trash])
            #expect(try #require(trash.first?.bytes) >= 1 << 20)
        }
    }

    /// BTRFS_IOC_QUOTA_CTL with BTRFS_QUOTA_CTL_ENABLE_SIMPLE_QUOTA, which older programs lack.
    private static let enableSimpleQuota = """
        import fcntl, os, struct, sys
        root = os.open(sys.argv[1], os.O_RDONLY)
        fcntl.ioctl(root, 0xC0109428, struct.pack("QQ", 4, 0))
        """

    @Test func `simple quotas count and limit what a layer writes`() throws {
        try withLoopFilesystem(type: .btrfs, size: 512 << 20) { root in
            do {
                try runCommand("python3", ["-c", Self.enableSimpleQuota, root.string])
            } catch {
                // Linux 6.6 and older.
                return
            }
            let store = TestStore(driver: try subject.open(root), root: root)
            #expect(store.driver.capabilities.hasQuota)
            let kind = store.driver.capabilities.details.first { $0.key == "quotas" }?.value
            #expect(kind == "simple")
            let text = String(repeating: "x", count: 1 << 20)
            try store.build(1, durability: .durable) { try $0.appending("base").write(text) }
            let limits = LayerLimits(bytes: 4 << 20)
            try store.driver.create(2, parents: [1], limits: limits, observer: .none)
            try store.withTree(of: 2, parents: [1], writable: true) { tree in
                for name in ["one", "two"] { try tree.appending(name).write(text) }
                let error = #expect(throws: SyscallError.self) {
                    let file = try OwnedDescriptor.open(
                        tree.appending("much"), [.create, .writeOnly], permissions: 0o600)
                    for _ in 0..<8 { try file.write(text) }
                    try file.sync()
                }
                #expect(error?.errno == .diskQuotaExceeded)
                try tree.appending("much").remove()
            }
            try store.driver.seal(2, parents: [1], durability: .durable)
            let usage = try store.driver.usage(of: 2, parents: [1])
            #expect(usage.bytes >= 2 << 20 && usage.bytes < 4 << 20, "\(usage.bytes)")
        }
    }
}
