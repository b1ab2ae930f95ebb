// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc
import GraphCore
import GraphSystem
import SystemPackage

/// Refuses to go on with a layer that is mounted, or used by anybody.
struct LayerUseGuard: Sendable {
    let registry: MountRegistry
    let catalog: Catalog
    let driver: any Driver

    /// How often somebody who uses a layer is waited for, and how long: a mount whose last user has just
    /// ended needs a moment.
    private static let useTries = 10
    private static let useWaitMicroseconds: UInt32 = 20_000

    /// Refuses a layer that is mounted anywhere, or used by anybody; the caller holds its lock.
    ///
    /// Freezing is to make mounts of which no record tells read-only in place of refusing them, where the driver can.
    func refuse(
        _ record: LayerRecord, before step: LayerStep, freezing: Bool = false
    ) throws(DriverError) {
        // Stays open until it was asked for the last time: where there is no room it is opened for each use.
        let table = try registry.tableIfAny()
        defer { withExtendedLifetime(table) {} }
        let lost = table == nil ? [] : try refuseMounted(record.layer, before: step)
        try refuseUnrecorded(
            record, before: step, hasLostMount: !lost.isEmpty, freezing: freezing)
        try registry.forget(lost)
    }

    /// Refuses a layer whose mounts the kernel has, and returns those that it has no more.
    private func refuseMounted(
        _ layer: Layer, before step: LayerStep
    ) throws(DriverError) -> [MountRecord] {
        var lost: [MountRecord] = []
        var targets: [String] = []
        for (mount, state) in try registry.reconcile(
            layer.number, try registry.currentNamespace())
        {
            switch state {
            case .live: targets.append(try registry.place(of: mount).string)
            case .elsewhere(let keeper): throw Self.inOtherNamespace(layer, keeper)
            case .lost: lost.append(mount)
            }
        }
        if targets.isEmpty {
            // Whoever died between making the place and recording it has left it.
            registry.removeMountPoint(of: layer.number)
            return lost
        }
        throw DriverError(
            .layerInUse,
            "layer \(layer.id) is mounted at \(listed(targets)) and cannot be \(step.done)")
    }

    /// Refuses to go on with a layer that somebody uses of whom the records of mounts do not tell; the
    /// caller holds its lock.
    func refuseUnrecorded(
        _ record: LayerRecord, before step: LayerStep, hasLostMount: Bool, freezing: Bool = false
    ) throws(DriverError) {
        let layer = record.layer
        // A view has no bytes of its own.
        if layer.kind == .view { return }
        var tries = 0
        while let use = try driver.unrecordedUse(
            of: layer.number, before: step, hasLostMount: hasLostMount)
        {
            // Its views may be mounted; their names are told by who goes on.
            if layer.kind == .committed, try hasChildren(record) { return }
            if freezing, layer.kind == .active, let driver = driver as? any FreezingDriver {
                return try driver.freezeMounts(of: layer.number)
            }
            tries += 1
            if tries < Self.useTries {
                usleep(Self.useWaitMicroseconds)
                continue
            }
            throw DriverError(
                .layerInUse,
                "layer \(layer.id) is in use \(use.holder), and cannot be \(step.done)")
        }
    }

    /// Forgets the records of mounts that have ended, but not of a layer that is still in use where it was
    /// unmounted by hand: without its record fewer uses of it would be looked for.
    func forgetStale() throws(DriverError) {
        try registry.forgetStale { (number) throws(DriverError) in
            guard let record = try catalog.record(of: number), record.layer.kind != .view else {
                return false
            }
            return try driver.unrecordedUse(of: number, before: .removing, hasLostMount: true)
                != nil
        }
    }

    private func hasChildren(_ record: LayerRecord) throws(DriverError) -> Bool {
        try catalog.consistent("list the children of layer \(record.layer.id)") {
            try !CatalogReader($0).children(of: record.number, limit: 1).isEmpty
        }
    }

    /// Says that a layer is mounted in another mount namespace.
    static func inOtherNamespace(_ layer: Layer, _ keeper: String) -> DriverError {
        DriverError(.layerInUse, "layer \(layer.id) is mounted \(keeper)")
    }
}

extension LayerStep {
    /// The step as what a layer cannot be.
    var done: String {
        switch self {
        case .mounting: "mounted"
        case .committing: "committed"
        case .removing: "removed"
        }
    }
}
