// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore

extension LayerStore {
    /// Lists how a layer differs from its parent or from another layer, sorted by path.
    ///
    /// Without a base it is compared with its parent, and a base layer with the empty tree.
    public func changes(
        of reference: String, from base: String? = nil, observer: WorkObserver = .none
    ) throws(DriverError) -> [Change] {
        Array(try timedChanges(of: reference, from: base, observer: observer).changes)
    }

    /// The same, with what the time went into.
    public func timedChanges(
        of reference: String, from base: String? = nil, observer: WorkObserver = .none
    ) throws(DriverError) -> TimedChanges {
        try content.changes(of: reference, from: base, observer: observer)
    }

    /// Writes a layer as a tar, and finishes the sink.
    ///
    /// Without a base it is compared with its parent, and a base layer with the empty tree. A layer
    /// that was applied comes back byte for byte as it was, unless a base is given or the canonical
    /// form asked for; that has the same bytes for the same layer, whatever driver keeps it, and `how`
    /// says how it is written.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/digestMismatch`` when an applied layer is not what it
    ///   was: then the sink has got other bytes than were applied.
    @discardableResult
    public func writeDiff(
        of reference: String, from base: String? = nil, _ form: TarForm = .applied,
        _ how: DiffForm = DiffForm(), to sink: any ByteSink, observer: WorkObserver = .none
    ) throws(DriverError) -> WrittenTar {
        try content.writeDiff(of: reference, from: base, form, how, to: sink, observer: observer)
    }

    /// The space that a layer takes: recorded for a committed layer, measured now for an active one.
    public func usage(of reference: String) throws(DriverError) -> StoredUsage {
        try usages.usage(of: reference)
    }

    /// The space that every layer takes as it is recorded, and what is left on the store's filesystem.
    ///
    /// Mounts nothing and waits for no writer. Active layers, whose space is not recorded, are measured on disk
    /// where `measuringActive` asks for it.
    public func diskUsage(
        measuringActive: Bool = false, observer: WorkObserver = .none
    ) throws(DriverError) -> DiskUsage {
        try usages.diskUsage(measuringActive: measuringActive, observer: observer)
    }

    /// What the store is and holds.
    public func info() throws(DriverError) -> StoreInfo {
        try usages.info()
    }
}
