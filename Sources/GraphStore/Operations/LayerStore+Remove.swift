// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
import GraphSystem

extension LayerStore {
    /// Removes a layer, in time that does not depend on its size; its id is free at once.
    ///
    /// What it took on disk waits for ``reclaim(observer:)``.
    ///
    /// The intent is what waits for the disk, and the end of the record waits for nothing: a layer
    /// whose bytes are gone must never come back, while a removal that begins again does no harm.
    ///
    /// - Returns: The layer as it was.
    /// - Throws: ``GraphCore/DriverError/Code/layerInUse`` for a layer with children or mounts, or that
    ///   is an image's topmost, naming them.
    @discardableResult
    public func remove(_ reference: String) throws(DriverError) -> Layer {
        try checkWritable("remove layer \(reference)")
        bed?.giveWay()
        // Even the files of locks want a block when they are new.
        return try withReserve { () throws(DriverError) in
            try remove(try self.record(reference))
        }
    }

    private func remove(_ record: LayerRecord) throws(DriverError) -> Layer {
        try withLock(on: record.number) { () throws(DriverError) in
            try recoverIfAbandoned(record)
            try refuseUsed(record, before: .removing)
            if record.layer.kind == .view { return try removeView(record) }
            let owner = try owner()
            let layer = try withReserve { () throws(DriverError) in
                try beginRemoval(record, owner: owner)
            }
            do throws(DriverError) {
                try withReserve { () throws(DriverError) in try driver.remove(record.number) }
            } catch {
                undoRemoval(layer)
                throw withResource(error)
            }
            finishRemoval(record.number)
            return layer
        }
    }

    /// Frees what removed layers took on disk: slow, stoppable, and in nobody's way.
    ///
    /// - Returns: The bytes of disk blocks freed, where the driver can tell.
    @discardableResult
    public func reclaim(observer: WorkObserver = .none) throws(DriverError) -> UInt64 {
        try checkWritable("free what was removed")
        defer {
            Reserve(paths.reserve).fill()
            bed?.reserve.fill()
        }
        return try driver.reclaim(observer: observer)
    }

    /// A view is a record and nothing else.
    private func removeView(_ record: LayerRecord) throws(DriverError) -> Layer {
        try withReserve { () throws(DriverError) in
            try database.write("remove layer \(record.layer.id)", resultSynchronization) {
                try LayerChanges($0).delete(record.number)
            }
        }
        return record.layer
    }

    private func beginRemoval(
        _ record: LayerRecord, owner: Int64
    ) throws(DriverError) -> Layer {
        try database.write(
            "begin the removal of layer \(record.layer.id)", resultSynchronization
        ) { connection in
            let queries = LayerQueries(connection)
            // One that was committed under another id, while this waited for it, is another layer to callers.
            guard let now = try queries.layer(record.number), now.state == .ready,
                now.layer.id == record.layer.id
            else {
                throw DriverError(
                    .layerNotFound,
                    "layer \(record.layer.id) was removed meanwhile, or committed under another id")
            }
            let children = try queries.children(of: record.number, limit: 4)
            if !children.isEmpty {
                throw DriverError(
                    .layerInUse,
                    "layer \(now.layer.id) is the parent of "
                        + Self.list(
                            children.map {
                                $0.layer.id.isEmpty ? "a layer being made" : $0.layer.id
                            }))
            }
            let images = try ImageQueries(connection).described(over: record.number)
            if !images.isEmpty {
                throw DriverError(
                    .layerInUse,
                    "layer \(now.layer.id) is the topmost of image " + Self.list(images))
            }
            try LayerChanges(connection).beginRemoval(of: record.number, owner: owner)
            return now.layer
        }
    }

    private func undoRemoval(_ layer: Layer) {
        do throws(DriverError) {
            try database.write("keep layer \(layer.id)", .ordered) { connection in
                try LayerChanges(connection).undoRemoval(of: layer.number, id: layer.id)
            }
        } catch {
            // The id was given away, or the disk is full: then the removal goes on later.
            release(layer.number)
        }
    }

    func finishRemoval(_ number: LayerNumber) {
        do throws(DriverError) {
            try withReserve { () throws(DriverError) in
                try recipes.remove(number)
                try database.write("forget layer number \(number)", .ordered) { connection in
                    try LayerChanges(connection).delete(number)
                }
            }
        } catch {
            // The layer is gone for callers; the record goes with the next recovery.
            warn("could not forget a removed layer", number, error)
            release(number)
        }
    }

    /// Does what must work on a full disk: begins the journal anew, which needs no block that it does
    /// not have, and then gives up the reserve.
    func withReserve<Value>(
        _ body: () throws(DriverError) -> Value
    ) throws(DriverError) -> Value {
        do throws(DriverError) {
            return try body()
        } catch  where error.code == .noSpace {
            database.recycleLog()
            return try Reserve(paths.reserve).using(body)
        }
    }

    /// The first three names of a list, for a message.
    static func list(_ names: [String]) -> String {
        names.prefix(3).joined(separator: ", ") + (names.count > 3 ? " and more" : "")
    }
}
