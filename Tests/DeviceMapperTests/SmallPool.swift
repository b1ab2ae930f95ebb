// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphBuiltins
import GraphCore
import GraphDeviceMapper
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// The driver on a pool of its own, over files in memory.
enum SmallPool {
    static let subject = DriverUnderTest(DeviceMapperDriver.self)

    /// Lends a store and its pool.
    static func with<Value>(
        _ options: [String: String] = [:], _ body: (TestStore) throws -> Value
    ) throws -> Value {
        try subject.withRoot { root in
            try body(TestStore(driver: try subject.open(root, options: options), root: root))
        }
    }

    /// Opens the same store once more, as another process would.
    static func reopen(_ store: TestStore) throws -> TestStore {
        TestStore(driver: try subject.open(store.root), root: store.root)
    }

    static func control(_ store: TestStore) throws -> PoolControl {
        try PoolControl(root: store.root)
    }

    /// Writes blocks of 64 KiB until `count` are on disk.
    static func write(_ count: Int, to path: FilePath) throws {
        let file = try OwnedDescriptor.open(path, [.create, .writeOnly], permissions: 0o600)
        for index in 0..<count {
            try file.write([UInt8](repeating: UInt8(index % 251) + 1, count: 65_536).span)
        }
        try file.sync()
    }

    /// Names of this machine's mapped devices that belong to a store.
    static func devices(_ store: TestStore) throws -> [String] {
        let prefix = try control(store).name.replacing("pool", with: "")
        return try DeviceMapper().devices().filter { $0.hasPrefix(prefix) }
    }

    /// The nodes in `/dev/mapper` of a store's devices, of which none is mounted: udev removes those of
    /// volumes that are gone when it comes to it.
    static func settledNodes(_ store: TestStore) throws -> [String] {
        let prefix = try control(store).name.replacing("pool", with: "")
        func nodes() throws -> [String] {
            try Directory(opening: "/dev/mapper").listing().map(\.name.description)
                .filter { $0.hasPrefix(prefix) }
        }
        for _ in 0..<200 where try nodes() != devices(store) { Pause.milliseconds(50) }
        return try nodes()
    }

    /// The sizes of the kernel's tables that a leak would fill.
    static func semaphores() throws -> String {
        String(
            decoding: try OwnedDescriptor.open("/proc/sysvipc/sem", .readOnly)
                .readAll(limit: 1 << 20), as: UTF8.self)
    }
}

extension SmallPool {
    /// Has fsck look at the filesystem of a sealed layer.
    static func requireSound(_ store: TestStore, _ layer: LayerNumber) throws {
        let mounts = try store.driver.mounts(for: layer, parents: [], writable: false)
        guard case .thin(let volume, _)? = mounts.first?.source else {
            throw Unexpected("layer \(layer) is no thin volume")
        }
        let open = try volume.open(try DeviceMapper())
        if volume.type == "xfs" {
            try runCommand("xfs_repair", ["-n", open.device.path.string])
        } else {
            try runCommand("e2fsck", ["-fn", open.device.path.string])
        }
    }
}

/// What a test did not expect.
struct Unexpected: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
