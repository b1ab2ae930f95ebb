// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore

struct ViewCommand: CommonCommand {
    static let configuration = CommandConfiguration(
        commandName: "view",
        abstract: "Creates a read-only view of a layer, or of an empty tree, and prints its id.")

    @Option(
        help: ArgumentHelp(
            "The committed layer or image that it shows; default: an empty tree.",
            valueName: "layer"),
        completion: .layerOrImage)
    var parent: String?

    @Option(help: "The view's id; default: a random one.")
    var id: String?

    @Option(help: "What it is called beside its id: one line of text.")
    var name: String?

    @Option(
        name: .customLong("label"),
        help: ArgumentHelp("A label; may be repeated.", valueName: "key=value"),
        transform: KeyValue.init(parsing:))
    var labels: [KeyValue] = []

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var action: ViewAction {
        ViewAction(parent: parent, id: id, name: name, labels: labels)
    }
}

struct ViewAction: CommonAction {
    var parent: String?
    var id: String?
    var name: String?
    var labels: [KeyValue]

    var attempt: String { "view " + (parent ?? "nothing") }

    func run(_ session: Session) throws(DriverError) {
        let view = try session.store(parent == nil ? .anything : .existing).createView(
            id: id, name: name, parent: parent, labels: labels.dictionary)
        try session.print(id: view)
    }
}

extension ViewAction {
    init?(_ line: inout CommonLine) {
        parent = line.option("parent")
        id = line.option("id")
        name = line.option("name")
        labels = line.options("label", KeyValue.init(parsing:))
    }
}
