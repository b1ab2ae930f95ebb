// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import SystemPackage

/// Tells what a store is, and what its layers take.
struct UsageReport: Sendable {
    let catalog: Catalog
    let driver: any Driver
    let registry: MountRegistry
    let loopImage: LoopImage?
    let paths: StorePaths
    /// The root that the caller named.
    let root: FilePath
    let storeID: String
    let isReadOnly: Bool
    let durability: Durability

    /// The space that a layer takes: recorded for a committed layer, measured now for an active one.
    func usage(of reference: String) throws(DriverError) -> StoredUsage {
        let (record, below) = try catalog.consistent("look for layer \(reference)") {
            let queries = CatalogReader($0)
            let record = try queries.layer(reference)
            return (record, try queries.recordedUsage(below: record.number))
        }
        let own = try ownUsage(of: record)
        return StoredUsage(own: own, total: own + below)
    }

    /// The space that every layer takes, and what is left on the store's filesystem.
    func diskUsage(
        measuringActive: Bool, observer: WorkObserver
    ) throws(DriverError) -> DiskUsage {
        let spaces = try catalog.read("list the layers") { try CatalogReader($0).visibleSpaces() }
        var children: [LayerNumber: Int] = [:]
        for case let parent? in spaces.lazy.map(\.parent) { children[parent, default: 0] += 1 }
        let measured = measuringActive ? try measure(spaces, observer) : [:]
        var used = LayerUsage()
        let entries = spaces.map { space in
            let usage =
                switch space.kind {
                case .view: LayerUsage()
                case .committed, .active: space.recorded ?? measured[space.number]
                }
            if let usage { used = used + usage }
            return DiskUsage.Entry(
                id: space.id, kind: space.kind, usage: usage, children: children[space.number] ?? 0)
        }
        let filesystem = try filesystem()
        return DiskUsage(
            layers: entries, used: used, filesystemBytes: filesystem.totalBytes,
            availableBytes: try availableBytes(filesystem),
            filesystemInodes: filesystem.totalInodes,
            freeInodes: filesystem.freeInodes)
    }

    /// Measures the layers of which nothing is recorded, but not those that go away meanwhile; half of them on
    /// a thread of their own.
    private func measure(
        _ spaces: [RecordedSpace], _ observer: WorkObserver
    ) throws(DriverError) -> [LayerNumber: LayerUsage] {
        let unknown = spaces.filter { $0.kind != .view && $0.recorded == nil }.map(\.number)
        let half = unknown.count / 2
        let (first, second) = try concurrently(
            { () throws(DriverError) in try measure(unknown[..<half], observer) },
            { () throws(DriverError) in try measure(unknown[half...], observer) })
        return first.merging(second) { $1 }
    }

    private func measure(
        _ layers: ArraySlice<LayerNumber>, _ observer: WorkObserver
    ) throws(DriverError) -> [LayerNumber: LayerUsage] {
        var usages: [LayerNumber: LayerUsage] = [:]
        for number in layers {
            if observer.isCancelled { throw DriverError(.cancelled, "stopped on request") }
            do throws(DriverError) {
                let parents = try catalog.parents(of: number)
                usages[number] = try driver.usage(of: number, parents: parents)
            } catch  where error.code == .layerNotFound {
                continue
            }
        }
        return usages
    }

    /// What the store is and holds.
    func info() throws(DriverError) -> StoreInfo {
        let (version, kinds) = try catalog.consistent("read the store at \(paths.root)") {
            (try Schema.version($0), try CatalogReader($0).counts())
        }
        return StoreInfo(
            root: root, runRoot: paths.runRoot, storeID: storeID, driver: driver.name,
            capabilities: driver.capabilities, formatVersion: version, isReadOnly: isReadOnly,
            durability: durability, filesystem: try filesystem().typeName,
            committedLayers: kinds[.committed] ?? 0, activeLayers: kinds[.active] ?? 0,
            views: kinds[.view] ?? 0, mountedLayers: try registry.mountedLayerCount(),
            loopImage: try loopImage?.status())
    }

    /// On a loop image no more than is left below it.
    private func availableBytes(_ filesystem: FilesystemStatus) throws(DriverError) -> UInt64 {
        guard let loopImage else { return filesystem.availableBytes }
        return min(filesystem.availableBytes, try loopImage.status().hostAvailableBytes)
    }

    private func ownUsage(of record: LayerRecord) throws(DriverError) -> LayerUsage {
        switch record.layer.kind {
        case .view: return LayerUsage()
        case .committed:
            if let usage = record.layer.usage { return usage }
        case .active: break
        }
        return try driver.usage(of: record.number, parents: try catalog.parents(of: record.number))
    }

    private func filesystem() throws(DriverError) -> FilesystemStatus {
        try attempting(
            "look at \(paths.root)",
            try Directory(opening: paths.root).descriptor.filesystem())
    }
}

extension LayerUsage {
    /// Adds two measurements; what damaged records say may be more than there is a number for.
    static func + (left: LayerUsage, right: LayerUsage) -> LayerUsage {
        LayerUsage(
            bytes: sum(left.bytes, right.bytes), inodes: sum(left.inodes, right.inodes))
    }

    private static func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }
}
