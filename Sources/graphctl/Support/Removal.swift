// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphStore

/// The removal of layers and images one after the other, whatever becomes of each.
struct Removal {
    /// What became of one word.
    private struct Refusal {
        let reference: String
        let error: DriverError
    }

    private let store: LayerStore
    private let session: Session
    private var layers: [String] = []
    private var images: [String] = []
    private var names: [String] = []
    private var refusals: [Refusal] = []

    var hasRemovedLayers: Bool { !layers.isEmpty }

    init(_ store: LayerStore, _ session: Session) {
        (self.store, self.session) = (store, session)
    }

    /// Removes what words name: images first, since they hold layers, then children before their parents.
    mutating func remove(
        _ references: [String], _ find: (String) throws(DriverError) -> Referent
    ) {
        var found: [(reference: String, layer: Layer)] = []
        var (words, ids): (Set<String>, Set<String>) = ([], [])
        for reference in references
        where references.count == 1 || words.insert(reference).inserted {
            attempt(reference) { (removal) throws(DriverError) in
                switch try find(reference) {
                case .image: try removal.removeImage(reference)
                case .layer(let layer):
                    if ids.insert(layer.id).inserted { found.append((reference, layer)) }
                }
            }
        }
        let gone = Set(layers)
        found.removeAll { gone.contains($0.layer.id) }
        found.sort { $0.layer.depth > $1.layer.depth }
        while !found.isEmpty {
            removeLayers(Array(found.prefix(Self.stepMax)))
            found.removeFirst(min(Self.stepMax, found.count))
        }
    }

    /// How many layers are removed before what became of them is told.
    private static let stepMax = 64

    private mutating func removeLayers(_ step: [(reference: String, layer: Layer)]) {
        do throws(DriverError) {
            let outcomes = try store.remove(step.map(\.layer.id))
            for ((reference, _), outcome) in zip(step, outcomes) {
                attempt(reference) { (removal) throws(DriverError) in
                    let id = try outcome.get().id
                    removal.layers.append(id)
                    try removal.tell(id)
                }
            }
        } catch {
            for (reference, _) in step {
                refusals.append(Refusal(reference: reference, error: error))
            }
        }
    }

    private mutating func removeImage(_ reference: String) throws(DriverError) {
        let removed = try store.images.remove(reference)
        if let name = removed.untagged {
            names.append(name)
            try tell("untagged " + name)
            return
        }
        names += removed.image.names
        images.append(removed.image.id.hex)
        layers += removed.layers.map(\.id)
        for name in removed.image.names { try tell("untagged " + name) }
        try tell("image " + removed.image.id.hex)
        for layer in removed.layers { try tell(layer.id) }
    }

    private mutating func attempt(
        _ reference: String, _ work: (inout Removal) throws(DriverError) -> Void
    ) {
        do throws(DriverError) {
            try work(&self)
        } catch {
            refusals.append(Refusal(reference: reference, error: error))
        }
    }

    private func tell(_ line: String) throws(DriverError) {
        if session.settings.json { return }
        try session.output.print(line)
        try session.output.flush()
    }

    /// Tells of refusals, and as JSON of everything.
    func report(attempt: String) throws(DriverError) {
        for refusal in refusals {
            Failure.printLine("graphctl: \(attempt) \(refusal.reference): \(refusal.error)")
        }
        if !refusals.isEmpty { session.exitStatus = 1 }
        if !session.settings.json { return }
        var object: [String: JSON] = [
            "removed": JSON(layers) { .string($0) },
            "images": JSON(images) { .string("sha256:" + $0) },
            "untagged": JSON(names) { .string($0) },
        ]
        if let first = refusals.first {
            object["code"] = .string(first.error.code.description)
            object["message"] = .string("\(attempt) \(first.reference): \(first.error)")
            object["refused"] = JSON(refusals) { refusal in
                [
                    "layer": .string(refusal.reference),
                    "code": .string(refusal.error.code.description),
                    "message": .string(refusal.error.description),
                ]
            }
        }
        try session.output.print(.object(object))
        try session.output.flush()
    }
}
