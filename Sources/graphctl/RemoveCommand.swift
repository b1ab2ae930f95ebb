// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphArchive
import GraphCore
import GraphStore

struct RemoveCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Removes layers, and prints their ids.",
        discussion: """
            A layer that is mounted or that is the parent of another is refused. Layers of one \
            chain may be named in any order. Each layer is tried, whatever becomes of the others.
            """)

    @Argument(help: "The layers.", completion: .layer)
    var layers: [String]

    @Flag(
        name: .customLong("no-reclaim"),
        help: "Leave the freeing of their space to a later rm or gc.")
    var keepsSpace = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "rm \(layers.joined(separator: " "))" }

    /// What became of one layer.
    private struct Refusal {
        let reference: String
        let error: DriverError
    }

    func run(_ session: Session) throws(DriverError) {
        let observer = session.stopper
        let store = try session.store()
        var found: [(reference: String, layer: Layer)] = []
        var refusals: [Refusal] = []
        for reference in layers {
            do throws(DriverError) {
                let layer = try store.layer(reference)
                if !found.contains(where: { $0.layer.id == layer.id }) {
                    found.append((reference, layer))
                }
            } catch {
                refusals.append(Refusal(reference: reference, error: error))
            }
        }
        // Children before their parents.
        found.sort { $0.layer.depth > $1.layer.depth }
        var removed: [String] = []
        for (reference, layer) in found {
            do throws(DriverError) {
                removed.append(try store.remove(layer.id).id)
                if !global.json {
                    try session.output.print(layer.id)
                    try session.output.flush()
                }
            } catch {
                refusals.append(Refusal(reference: reference, error: error))
            }
        }
        try report(removed, refusals, session)
        try session.output.flush()
        if !removed.isEmpty && !keepsSpace { reclaim(store, observer, session) }
    }

    private func report(
        _ removed: [String], _ refusals: [Refusal], _ session: Session
    ) throws(DriverError) {
        for refusal in refusals {
            Failure.printLine("graphctl: rm \(refusal.reference): \(refusal.error)")
        }
        if !refusals.isEmpty { session.exitStatus = 1 }
        if !global.json { return }
        var object: [String: JSON] = ["removed": JSON(removed) { .string($0) }]
        if let first = refusals.first {
            object["code"] = .string(first.error.code.description)
            object["message"] = .string("rm \(first.reference): \(first.error)")
            object["refused"] = JSON(refusals) { refusal in
                [
                    "layer": .string(refusal.reference),
                    "code": .string(refusal.error.code.description),
                    "message": .string(refusal.error.description),
                ]
            }
        }
        try session.output.print(.object(object))
    }

    /// Frees the space.
    ///
    /// The layers are gone already, so a failure only leaves work to a later run.
    private func reclaim(_ store: LayerStore, _ observer: WorkObserver, _ session: Session) {
        do throws(DriverError) {
            _ = try store.reclaim(observer: observer)
        } catch {
            session.warn("the space is not yet freed, graphctl gc goes on with it: \(error)")
        }
    }
}
