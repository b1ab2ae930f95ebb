// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
package import GraphArchive
import GraphBuiltins
package import GraphCore
import GraphDeviceMapper
package import GraphStore
import GraphSystem
import Logging
package import SystemPackage
package import Testing

#if canImport(OutsideDriver)
    // Tests/OutsideDriver
    import OutsideDriver
#endif

/// A driver that the conformance suite runs against.
package struct DriverUnderTest: Sendable, CustomTestStringConvertible {
    package let type: any Driver.Type

    /// Takes a driver.
    package init(_ type: any Driver.Type) { self.type = type }

    package var name: String { type.name }
    package var testDescription: String { type.name }

    /// All drivers in this build, or the one that `GRAPH_TEST_DRIVER` names: on kernels that are for
    /// one driver, see Tests/scripts/uml-tests.sh.
    package static let all = drivers.map { DriverUnderTest($0) }.filter { driver in
        let wanted = ProcessInfo.processInfo.environment["GRAPH_TEST_DRIVER"]
        return wanted == nil || wanted == driver.name
    }

    private static var drivers: [any Driver.Type] {
        #if canImport(OutsideDriver)
            [CopyDriver.self]
        #else
            BuiltinDrivers.all
        #endif
    }

    /// Those that work below their ``base``.
    package static let usable = all.filter { $0.refusal == nil }

    /// Those of them that work wherever tests work.
    package static let usableBelowTestBase = usable.filter { $0.base == testBase }

    /// The directory below which this driver's stores are made: ``testBase``, unless the driver wants a
    /// filesystem of its own.
    ///
    /// That of btrfs is made by Tests/scripts/isolated.sh, since a test process that is killed
    /// could not take it away again.
    package var base: FilePath {
        let own = ProcessInfo.processInfo.environment["GRAPH_TEST_\(name.uppercased())"]
        return own.map { FilePath($0) } ?? testBase
    }

    /// The filesystems on which this driver works.
    package var filesystems: [TestFilesystem] {
        // Layers of devicemapper lie in a pool, whatever the store's filesystem is.
        name == "btrfs" ? [.btrfs] : name == "devicemapper" ? [] : TestFilesystem.allCases
    }

    /// Whether the kernel that runs the tests has what the driver is about; devicemapper is tested
    /// under one that has device mapper.
    package var isOfThisKernel: Bool {
        name != "devicemapper" || FileManager.default.fileExists(atPath: "/dev/mapper/control")
    }

    /// Whether `reclaim` tells how much it freed: btrfs frees a subvolume without looking into it, and
    /// device mapper a volume.
    package var tellsFreedBytes: Bool { !["btrfs", "devicemapper"].contains(name) }

    /// Whether the trees of layers are directories of the store.
    package var keepsTreesInStore: Bool { name != "devicemapper" }

    /// What `usage` may tell beyond the bytes of files, in bytes: a pool has whole blocks, and counts
    /// those of the filesystem's own tables.
    package var usageSlackBytes: UInt64 { name == "devicemapper" ? 2 << 20 : 100_000 }

    /// Settings that every store of this driver is made with, of a size that a test has room for.
    package var storageOptions: [String: String] {
        if name != "devicemapper" { return [:] }
        let given = ProcessInfo.processInfo.environment
        return [
            "dm.fs": given["GRAPH_TEST_DM_FS"] ?? "ext4",
            "dm.basesize": given["GRAPH_TEST_DM_SIZE"] ?? "512M",
            "dm.loopdatasize": given["GRAPH_TEST_DM_DATA"] ?? "512M",
            "dm.loopmetadatasize": "16M",
        ]
    }

    /// Takes what a driver has in the kernel away, before its store is removed.
    private func stop(_ root: FilePath) {
        if name == "devicemapper" { try? PoolControl(root: root).stop() }
    }

    /// Why a driver does not work below its ``base``; nil when it does.
    package var refusal: String? {
        let unmet = type.probe(root: base).first { !$0.isOptional && !$0.isMet }
        return unmet.flatMap { unmet in
            unmet.refusal.map { "\(type.name) needs \(unmet.name): \($0)" }
        }
    }

    /// Opens the driver on a store's root.
    package func open(
        _ root: FilePath, options: [String: String] = [:], readOnly: Bool = false
    ) throws(DriverError) -> any Driver {
        let all = storageOptions.merging(options) { $1 }
        return try type.init(root: root, options: DriverOptions(all), readOnly: readOnly)
    }

    /// Lends an empty directory below ``base``, and removes it with every layer in it.
    package func withRoot<Value>(_ body: (FilePath) throws -> Value) throws -> Value {
        try withScratchRoot(below: base) { root in
            let result = Result { try body(root) }
            if let driver = try? open(root) {
                try? TestStore(driver: driver, root: root).removeLayers()
            }
            stop(root)
            return try result.get()
        }
    }

    /// Lends an empty directory below ``base`` for a ``GraphctlCommand``, and removes it with every
    /// layer of its store.
    package func withDirectory<Value>(_ body: (FilePath) throws -> Value) throws -> Value {
        try withScratchRoot(below: base) { directory in
            let result = Result { try body(directory) }
            let root = directory.appending("root")
            if let driver = try? open(root) {
                try? TestStore(driver: driver, root: root).removeLayers()
            }
            stop(root)
            return try result.get()
        }
    }

    /// Opens a store of this driver in a directory, where ``GraphctlCommand`` has it.
    package func openStore(
        in directory: FilePath, durability: Durability = .durable
    ) throws(DriverError) -> LayerStore {
        let type = type
        return try LayerStore(
            LayerStore.Configuration(
                root: directory.appending("root"), runRoot: directory.appending("run"),
                driver: name, options: storageOptions, durability: durability,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }),
            drivers: [type], chooseDriver: { (_) throws(DriverError) in type })
    }

    /// Lends a new store and the directory that it is in, as ``withDirectory(_:)`` does.
    package func withStore(_ body: (LayerStore, FilePath) throws -> Void) throws {
        try withDirectory { directory in try body(try openStore(in: directory), directory) }
    }

    /// Opens the driver on a new root, which is removed afterwards.
    package func withDriver<Value>(
        options: [String: String] = [:], _ body: (TestStore) throws -> Value
    ) throws -> Value {
        try withRoot { root in
            try body(TestStore(driver: try open(root, options: options), root: root))
        }
    }
}

extension Trait where Self == ConditionTrait {
    /// Runs a test only where a driver works, and says why otherwise.
    package static func usable(_ name: String) -> Self {
        let refusal =
            DriverUnderTest.all.first { $0.name == name }
            .map { $0.refusal } ?? "there is no driver \(name) in this build"
        return .enabled(if: refusal == nil, Comment(rawValue: refusal ?? name))
    }
}

/// A driver and its root, with the steps that tests take again and again.
package struct TestStore {
    package let driver: any Driver
    package let root: FilePath

    /// Takes a driver.
    package init(driver: any Driver, root: FilePath) { (self.driver, self.root) = (driver, root) }

    /// Makes an active layer.
    package func create(_ layer: LayerNumber, parents: [LayerNumber] = []) throws {
        try driver.create(layer, parents: parents, limits: .none, observer: .none)
    }

    /// Removes every layer, since what a driver made cannot always be unlinked.
    package func removeLayers() throws {
        unmountAll(below: root)
        for item in try driver.inventory() {
            if case .layer(let layer) = item.kind { try driver.remove(layer) }
        }
        try driver.reclaim(observer: .none)
    }

    /// Makes a layer, lends its tree mounted for writing, and seals it.
    package func build(
        _ layer: LayerNumber, parents: [LayerNumber] = [],
        durability: Durability = .unsynced, _ body: (FilePath) throws -> Void
    ) throws {
        try create(layer, parents: parents)
        try withTree(of: layer, parents: parents, writable: true, body)
        try driver.seal(layer, parents: parents, durability: durability)
    }

    /// Makes a layer as an unpacked tar makes it: lends where its changes are recorded.
    package func apply(
        _ layer: LayerNumber, parents: [LayerNumber] = [],
        _ body: (ApplyTarget) throws -> Void
    ) throws {
        try create(layer, parents: parents)
        let target = try driver.applyTarget(for: layer, parents: parents)
        try body(target)
        try driver.finishApply(of: layer, parents: parents, observer: .none)
        try driver.seal(layer, parents: parents, durability: .unsynced)
    }

    /// Mounts a layer, lends the place, and takes the mount away.
    package func withTree<Value>(
        of layer: LayerNumber, parents: [LayerNumber] = [], writable: Bool = false,
        _ body: (FilePath) throws -> Value
    ) throws -> Value {
        if writable { try driver.reopen(layer) }
        let mounts = try driver.mounts(for: layer, parents: parents, writable: writable)
        return try withMount(mounts, body)
    }

    /// What a layer shows when it is mounted for reading.
    package func snapshot(
        of layer: LayerNumber, parents: [LayerNumber] = []
    ) throws -> TreeSnapshot {
        try withTree(of: layer, parents: parents) { try TreeSnapshot(of: $0) }
    }
}
