// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphCore
import GraphSQLite
import GraphStore
import GraphSystem
import GraphTestSupport
import Logging
import SystemPackage
import Testing

/// Directories for one store, gone at the end of the test with all that is mounted below them.
final class StoreFixture: Sendable {
    let directory: FilePath

    init() throws {
        let base = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        directory = FilePath(base).appending("graph-store-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            atPath: directory.string, withIntermediateDirectories: true)
    }

    /// Takes a directory that is made by this, inside another fixture.
    init(at directory: FilePath) throws {
        self.directory = directory
        try FileManager.default.createDirectory(
            atPath: directory.string, withIntermediateDirectories: true)
    }

    deinit {
        let mounts = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
        for line in mounts.split(separator: "\n").reversed() {
            let target = FilePath(String(line.split(separator: " ")[1]))
            if target.starts(with: directory) { try? MountPoint(target).unmount(detaching: true) }
        }
        try? FileManager.default.removeItem(atPath: directory.string)
    }

    var root: FilePath { directory.appending("root") }
    var runRoot: FilePath { directory.appending("run") }
    var layers: FilePath { root.appending(FolderDriver.name) }

    func configuration(
        readOnly: Bool = false, driver: String? = nil, options: [String: String] = [:],
        loopImage: NewLoopImage? = nil
    ) -> LayerStore.Configuration {
        var configuration = LayerStore.Configuration(
            root: root, runRoot: runRoot, driver: driver, options: options, readOnly: readOnly,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        configuration.loopImage = loopImage
        return configuration
    }

    func open(
        readOnly: Bool = false, driver: String? = nil, options: [String: String] = [:],
        loopImage: NewLoopImage? = nil
    ) throws(DriverError) -> LayerStore {
        try LayerStore(
            configuration(
                readOnly: readOnly, driver: driver, options: options, loopImage: loopImage),
            drivers: [FolderDriver.self, OtherDriver.self],
            chooseDriver: { (_) throws(DriverError) in FolderDriver.self })
    }

    /// Makes a directory to mount at.
    func makeTarget(_ name: String) throws -> FilePath {
        let path = directory.appending(name)
        try FileManager.default.createDirectory(
            atPath: path.string, withIntermediateDirectories: true)
        return path
    }

    /// Writes to the store's records behind its back.
    func tamper(_ sql: String, _ arguments: StatementArguments = []) throws {
        let queue = try DatabaseQueue(path: root.appending("graph.db").string)
        try queue.inDatabase { try $0.execute(sql: sql, arguments: arguments) }
    }

    /// Writes to the records of mounts behind the store's back.
    func tamperMounts(_ sql: String, _ arguments: StatementArguments = []) throws {
        let queue = try DatabaseQueue(path: runRoot.appending("mounts.db").string)
        try queue.inDatabase { try $0.execute(sql: sql, arguments: arguments) }
    }

    /// The names of the layers on disk.
    func layersOnDisk() throws -> Set<String> {
        Set(try FileManager.default.contentsOfDirectory(atPath: layers.string))
    }

    /// A layer tar with one file.
    static func tar(_ name: String, _ text: String) throws -> [UInt8] {
        try LayerTar.bytes(of: [
            LayerMember(
                ArchiveEntry(path: RawPath(name), kind: .file(size: 0), permissions: 0o644),
                content: Array(text.utf8))
        ])
    }
}

/// A driver of another name.
struct OtherDriver: Driver {
    static let name = "other"
    static let livesOnLoopImage = false
    private let directories: FolderDriver

    static func probe(root: FilePath) -> [Requirement] { [] }

    init(root: FilePath, options: DriverOptions, readOnly: Bool) throws(DriverError) {
        directories = try FolderDriver(root: root, options: options, readOnly: readOnly)
    }

    var capabilities: DriverCapabilities { directories.capabilities }

    func create(
        _ layer: LayerNumber, parents: [LayerNumber], limits: LayerLimits,
        observer: WorkObserver
    ) throws(DriverError) {
        throw DriverError(.system, "this driver makes nothing")
    }

    func seal(
        _ layer: LayerNumber, parents: [LayerNumber], durability: Durability
    ) throws(DriverError) {}

    func remove(_ layer: LayerNumber) throws(DriverError) {}

    func reclaim(observer: WorkObserver) throws(DriverError) -> UInt64 { 0 }

    func inventory() throws(DriverError) -> [InventoryItem] { [] }

    func mounts(
        for layer: LayerNumber, parents: [LayerNumber], writable: Bool
    ) throws(DriverError) -> [Mount] { [] }

    func usage(
        of layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> LayerUsage { LayerUsage() }

    func applyTarget(
        for layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> ApplyTarget {
        try directories.applyTarget(for: layer, parents: parents)
    }

    func finishApply(
        of layer: LayerNumber, parents: [LayerNumber], observer: WorkObserver
    ) throws(DriverError) {}

    func diffSource(
        of layer: LayerNumber, parents: [LayerNumber],
        from base: LayerNumber?, baseParents: [LayerNumber]
    ) throws(DriverError) -> DiffSource { DiffSource(old: .empty, new: .empty) }
}
