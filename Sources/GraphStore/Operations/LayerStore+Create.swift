// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
public import GraphSystem
import Synchronization

/// A layer that is being made: what is recorded of it, and what its driver needs to know.
struct LayerIntent {
    let number: LayerNumber
    let kind: Layer.Kind
    let id: String?
    let parent: Layer?
    let parents: [LayerNumber]
    let depth: Int
    let limits: LayerLimits
    let created: Timestamp
    let labels: [String: String]
    let owner: Int64

    /// The layer that the intent led to.
    func layer(_ id: String, _ content: CommittedContent? = nil, at time: Timestamp) -> Layer {
        Layer(
            number: number, id: id, kind: kind, parent: parent?.id, depth: depth,
            diffID: content?.diffID, chainID: content?.chainID,
            contentDigest: content?.contentDigest, diffBytes: content?.diffBytes,
            recipeBytes: content?.recipeBytes,
            usage: content?.usage, durability: content?.durability, limits: limits,
            created: created, updated: time, labels: labels)
    }
}

/// What a new layer is put on.
enum NewParent {
    /// A committed layer, by id or a part of it.
    case layer(String)
    /// A layer that is still being made, and the id that it will have.
    case intent(LayerIntent, id: String)

    /// Nothing, where there is no reference.
    init?(_ reference: String?) {
        guard let reference else { return nil }
        self = .layer(reference)
    }
}

extension LayerStore {
    /// Makes a writable layer on top of a committed one, or an empty one.
    ///
    /// Waits for one sync of the disk, of the result. The intent before it waits for none: should
    /// a power cut lose it, the driver's bytes are found and cleared by the first opening after it.
    ///
    /// Without an id the layer gets one of 64 random digits.
    ///
    /// With `copyUp`, files and directories of the parent are copied up now, so that the first write to
    /// them does not wait for it; drivers that copy no files refuse it as
    /// ``GraphCore/DriverError/Code/unsupported``.
    public func create(
        id: String? = nil, parent: String? = nil, labels: [String: String] = [:],
        limits: LayerLimits = .none, copyUp: [RawPath] = [], observer: WorkObserver = .none
    ) throws(DriverError) -> Layer {
        try withRoom(observer) { (observer) throws(DriverError) in
            try createAnywhere(id, parent, labels, limits, copyUp, observer)
        }
    }

    private func createAnywhere(
        _ id: String?, _ parent: String?, _ labels: [String: String], _ limits: LayerLimits,
        _ copyUp: [RawPath], _ observer: WorkObserver
    ) throws(DriverError) -> Layer {
        let intent = try begin(
            .active, id: id ?? LayerID.random(), parent: NewParent(parent), labels: labels,
            limits: limits)
        do throws(DriverError) {
            try make(intent, limits: limits, observer)
            if !copyUp.isEmpty {
                try driver.copyUp(
                    copyUp, in: intent.number, above: intent.parents, observer: observer)
            }
            let layer = try finish(intent, id: intent.id ?? LayerID.random(), nil)
            settle(intent)
            return layer
        } catch {
            abandon(intent, after: error)
            throw withResource(error)
        }
    }

    /// Has the driver make the bytes of a layer, or what they begin with.
    ///
    /// Where bytes lie under the number already, they are somebody's layer, and the records have lost
    /// something.
    func make(
        _ intent: LayerIntent, limits: LayerLimits = .none, _ observer: WorkObserver
    ) throws(DriverError) {
        do throws(DriverError) {
            try driver.create(
                intent.number, above: intent.parents, limits: limits, observer: observer)
        } catch  where error.code == .layerExists {
            _ = occupied.withLock { $0.insert(intent.number) }
            declareLoss("\(error.message), but its number has just been given out")
            try refuseLoss("make a layer")
            throw error
        }
    }

    /// Tells the driver that a layer's record is on disk; where that fails, its first mount does.
    private func settle(_ intent: LayerIntent) {
        do throws(DriverError) {
            try driver.settle(intent.number)
        } catch {
            warn("could not settle a new layer", intent.number, error)
        }
    }

    /// Gives a committed layer a further id, under which it is mounted read-only; without a parent it is an
    /// empty tree.
    ///
    /// A view has no bytes of its own: all that is made is a record.
    public func createView(
        id: String? = nil, parent: String? = nil, labels: [String: String] = [:]
    ) throws(DriverError) -> Layer {
        let intent = try begin(
            .view, id: id ?? LayerID.random(), parent: NewParent(parent), labels: labels,
            limits: .none)
        return intent.layer(intent.id ?? "", at: intent.created)
    }

    /// Records that a layer is being made; a view is made by that alone.
    func begin(
        _ kind: Layer.Kind, id: String?, parent: NewParent?, labels: [String: String],
        limits: LayerLimits
    ) throws(DriverError) -> LayerIntent {
        try checkWritable("make a layer")
        if let id { try LayerID.check(id) }
        try LabelLimits.check(labels)
        let owner = try owner()
        while true {
            do throws(DriverError) {
                return try record(
                    kind, id: id, parent: parent, labels: labels, limits: limits, owner: owner)
            } catch  where error.code == .layerExists {
                // A dead process may have left the id behind: then it is free now.
                guard let id, try recover(id: id) else { throw error }
            }
        }
    }

    private func record(
        _ kind: Layer.Kind, id: String?, parent: NewParent?, labels: [String: String],
        limits: LayerLimits, owner: Int64
    ) throws(DriverError) -> LayerIntent {
        let isDone = kind == .view
        let created = Timestamp.now
        // A base layer is never too deep, and asking a driver what it can do is not free.
        let depthMax = kind == .view || parent == nil ? nil : depthMax()
        return try database.write(
            "record a new layer", isDone ? resultSynchronization : .ordered
        ) { connection in
            let queries = LayerQueries(connection)
            if let id, try queries.layer(id: id) != nil {
                throw DriverError(.layerExists, "there is a layer \(id) already")
            }
            let below = try parent.flatMap { try Self.find($0, queries) }
            let depth = (below?.layer.depth ?? 0) + 1
            if let depthMax, depth > depthMax {
                throw DriverError(
                    .depthExceeded,
                    "a layer on \(below?.layer.id ?? "") would be number \(depth) of its chain; "
                        + "driver \(driver.name) mounts at most \(depthMax)")
            }
            let number = try LayerChanges(connection).insert(
                NewLayer(
                    id: id, kind: kind, state: isDone ? .ready : .creating,
                    owner: isDone ? nil : owner, parent: below?.layer.number, depth: depth,
                    limits: limits, created: created, labels: labels))
            let parents = below.map { [$0.layer.number] + $0.parents } ?? []
            return LayerIntent(
                number: number, kind: kind, id: id, parent: below?.layer, parents: parents,
                depth: depth, limits: limits, created: created, labels: labels, owner: owner)
        }
    }

    /// The layer that a new one is put on, and those below it; nil for an image without layers.
    private static func find(
        _ parent: NewParent, _ queries: LayerQueries
    ) throws -> (layer: Layer, parents: [LayerNumber])? {
        switch parent {
        case .intent(let intent, let id):
            return (intent.layer(id, at: intent.created), intent.parents)
        case .layer(let reference):
            guard let below = try queries.layerIfAny(reference) else { return nil }
            if below.layer.kind != .committed {
                throw DriverError(
                    .wrongKind,
                    "layer \(below.layer.id) is \(below.layer.kind.described) and cannot be a parent;"
                        + " commit it first")
            }
            return (below.layer, try queries.parents(of: below.number))
        }
    }

    /// Records that a layer is made.
    func finish(
        _ intent: LayerIntent, id: String, _ content: CommittedContent?
    ) throws(DriverError) -> Layer {
        let now = Timestamp.now
        let isOurs = try database.write("record layer \(id)", resultSynchronization) { connection in
            try LayerChanges(connection)
                .finish(intent.number, owner: intent.owner, id: id, content, at: now)
        }
        if !isOurs {
            throw DriverError(.system, "layer \(id) was taken for abandoned while it was made")
        }
        return intent.layer(id, content, at: now)
    }

    /// Clears what was made of a layer that shall not be; where that fails, a later collection does.
    ///
    /// After a lack of space its bytes are freed at once, and with them what others removed: nobody
    /// could use the disk before.
    func abandon(_ intent: LayerIntent, after failure: DriverError? = nil) {
        do throws(DriverError) {
            try withReserve { () throws(DriverError) in try clear(intent.number) }
            if failure?.code == .noSpace { try reclaim() }
        } catch {
            warn("could not clear what was made of a layer", intent.number, error)
            release(intent.number)
        }
    }

    /// Removes the bytes and the record of a layer that is no layer yet, or no longer one.
    func clear(_ number: LayerNumber) throws(DriverError) {
        if !occupied.withLock({ $0.contains(number) }) {
            try driver.remove(number)
            try recipes.remove(number)
        }
        // Not waited for: should a power cut bring the record back, the next opening ends it again.
        try database.write("forget layer number \(number)", .ordered) { connection in
            try LayerChanges(connection).delete(number)
        }
    }

    /// Lets anybody clear an intent that this process could not clear.
    func release(_ number: LayerNumber) {
        do throws(DriverError) {
            try database.write("leave layer number \(number)", .ordered) { connection in
                try LayerChanges(connection).disown(number)
            }
        } catch {
            warn("could not leave an operation to others", number, error)
        }
    }

    /// Says for a lack of space whether it is one of inodes.
    func withResource(_ error: DriverError) -> DriverError {
        guard error.code == .noSpace, error.resource == .bytes else { return error }
        return DriverError(noSpace: error.message, at: paths.database, cause: error.cause)
    }
}

extension Layer.Kind {
    /// The kind in a sentence.
    var described: String { self == .view ? "a view" : rawValue }
}
