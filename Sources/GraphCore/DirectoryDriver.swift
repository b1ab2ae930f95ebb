// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive

/// A driver that keeps a directory for each layer: what it does not do otherwise, ``LayerDirectories`` does.
public protocol DirectoryDriver: Driver {
    /// The directories of its layers.
    var directories: LayerDirectories { get }
}

extension DirectoryDriver {
    /// Whether the layer's directory bears the mark, or is missing.
    public func isUnfinished(_ layer: LayerNumber) throws(DriverError) -> Bool {
        try directories.isUnfinished(layer)
    }

    /// Takes the mark away.
    public func settle(_ layer: LayerNumber) throws(DriverError) { try directories.settle(layer) }

    /// Takes the mark away where there is one.
    public func reopen(_ layer: LayerNumber) throws(DriverError) {
        try directories.settleIfMarked(layer)
    }

    /// Renames the layer's directory into the trash.
    public func remove(_ layer: LayerNumber) throws(DriverError) { try directories.detach(layer) }

    /// Unlinks what is in the trash.
    @discardableResult
    public func reclaim(observer: WorkObserver) throws(DriverError) -> UInt64 {
        try directories.reclaim(observer: observer)
    }

    /// Lists the directories and the trash.
    public func inventory() throws(DriverError) -> [InventoryItem] { try directories.inventory() }
}
