// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphArchive
import GraphCore
import GraphStore

struct RemoveCommand: CommonCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Removes layers and images, and prints their ids.",
        discussion: """
            A layer that is mounted, that is the parent of another or an image's topmost is refused. \
            Layers of one chain may be named in any order. Of an image its layers go, too, as far as \
            nothing else uses them; of one with several names only the name that is given goes. What \
            is no layer's id is taken for an image's name first. Each is tried, whatever becomes of \
            the others.
            """)

    @Argument(help: "The layers and images.", completion: .layerOrImage)
    var layers: [String]

    @Flag(
        name: .customLong("no-reclaim"),
        help: "Leave the freeing of their space to a later rm or gc.")
    var keepsSpace = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var action: RemoveAction {
        RemoveAction(layers: layers, keepsSpace: keepsSpace)
    }
}

struct RemoveAction: CommonAction {
    var layers: [String]
    var keepsSpace: Bool

    var attempt: String { "rm \(layers.joined(separator: " "))" }

    func run(_ session: Session) throws(DriverError) {
        let store = try session.store()
        var removal = Removal(store, session)
        removal.remove(layers) { (reference) throws(DriverError) in
            try store.referent(reference)
        }
        try removal.report(attempt: "rm")
        if removal.hasRemovedLayers && !keepsSpace { session.reclaim(store) }
    }
}

extension RemoveAction {
    init?(_ line: inout CommonLine) {
        keepsSpace = line.flag("no-reclaim")
        layers = line.arguments()
        if layers.isEmpty { return nil }
    }
}

struct RemoveImageCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "rmi",
        abstract: "Removes images, and prints what was removed.",
        discussion: """
            The layers that only an image used go with it. Of an image with several names only the \
            name that is given goes.
            """)

    @Argument(help: "The images.", completion: .image)
    var images: [String]

    @Flag(
        name: .customLong("no-reclaim"),
        help: "Leave the freeing of their space to a later rm, rmi or gc.")
    var keepsSpace = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "rmi \(images.joined(separator: " "))" }

    func run(_ session: Session) throws(DriverError) {
        let store = try session.store()
        var removal = Removal(store, session)
        removal.remove(images) { (reference) throws(DriverError) in
            .image(try store.images.find(reference))
        }
        try removal.report(attempt: "rmi")
        if removal.hasRemovedLayers && !keepsSpace { session.reclaim(store) }
    }
}

extension Session {
    /// Frees the space.
    ///
    /// The layers are gone already, so a failure only leaves work to a later run.
    func reclaim(_ store: LayerStore) {
        do throws(DriverError) {
            _ = try store.reclaim(observer: stopper)
        } catch {
            warn("the space is not yet freed, graphctl gc goes on with it: \(error)")
        }
    }
}
