// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore

extension LayerStore {
    /// Finds a layer by its id, its name or a prefix that no other id has, or the topmost layer of an image,
    /// by what ``referent(_:)`` takes.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/layerNotFound``, or
    ///   ``GraphCore/DriverError/Code/invalidArgument`` when several ids begin so.
    public func layer(_ reference: String) throws(DriverError) -> Layer {
        try catalog.layer(reference)
    }

    /// Finds a layer by its whole name; nil when none has it.
    public func layer(named name: String) throws(DriverError) -> Layer? {
        try catalog.layer(named: name)
    }

    /// Whether a layer is one that was created volatile and not committed since.
    public func isVolatile(_ layer: Layer) throws(DriverError) -> Bool {
        guard layer.kind == .active, let volatile = driver as? any VolatileDriver else {
            return false
        }
        return try volatile.isVolatile(layer.number)
    }

    /// Lists layers, oldest first.
    ///
    /// - Parameters:
    ///   - labels: Filters that all have to be satisfied.
    ///   - filters: Filters of which one has to be satisfied, where there are any.
    ///   - last: The layer behind which the list begins: the last of the page before.
    ///   - limit: How many layers the list has at most.
    /// - Returns: The layers that all labels and one of the filters pick.
    /// - Throws: What reading the records throws.
    public func layers(
        matching labels: [LabelFilter] = [], where filters: [LayerFilter] = [],
        after last: LayerNumber? = nil, limit: Int? = nil
    ) throws(DriverError) -> [Layer] {
        try catalog.layers(LayerQuery(labels, filters, after: last, limit: limit))
    }

    /// Lists the ids of all layers, oldest first, for a fraction of what ``layers(matching:)`` costs.
    public func layerIDs() throws(DriverError) -> [String] { try catalog.layerIDs() }

    /// Lists the layers that have a layer as parent, oldest first.
    public func children(of reference: String) throws(DriverError) -> [Layer] {
        try catalog.children(of: reference)
    }

    /// Lists a layer and all below it, nearest first.
    public func chain(of reference: String) throws(DriverError) -> [Layer] {
        try catalog.ancestry(of: reference)
    }

    /// Finds the committed layer that has a chain and bears it as its id.
    ///
    /// Layers with ids of their own are not found: whoever named them may remove them.
    public func findCommitted(chainID: Digest) throws(DriverError) -> Layer? {
        try catalog.findCommitted(chainID: chainID)
    }

    /// Changes labels, and returns the layer with what it has then.
    ///
    /// A key with nil loses its label; where all are replaced, so does every key that is not given.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/invalidArgument`` beyond ``LabelLimits``.
    public func setLabels(
        of reference: String, _ changes: [String: String?], replacingAll: Bool = false
    ) throws(DriverError) -> Layer {
        try access.require("label layer \(reference)")
        return try catalog.setLabels(of: reference, changes, replacingAll: replacingAll)
    }

    /// Finds what a word names: the layer that has it as id, else the one that has it as name, else the image
    /// that it is a name of, else the layer or the image whose id begins so.
    public func referent(_ reference: String) throws(DriverError) -> Referent {
        try catalog.consistent("look for \(reference)") { connection in
            let queries = CatalogReader(connection)
            switch try queries.named(reference) {
            case .layer(let record): return .layer(record.layer)
            case .image(let id):
                return .image(
                    try ImageRecords.found(try ImageQueries(connection).image(id), reference))
            }
        }
    }
}
