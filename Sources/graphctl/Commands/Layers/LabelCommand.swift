// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore

struct LabelCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "label", abstract: "Sets labels of a layer, and removes them.")

    @Argument(help: "The layer.", completion: .layer)
    var layer: String

    @Argument(
        help: ArgumentHelp("Labels to set; a value may be empty.", valueName: "key=value"),
        transform: KeyValue.init(parsing:))
    var labels: [KeyValue] = []

    @Option(
        help: ArgumentHelp("A label to remove; may be repeated.", valueName: "key"))
    var remove: [String] = []

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "label \(layer)" }

    func validate() throws {
        if labels.isEmpty && remove.isEmpty {
            throw ValidationError("give a label to set, or one to --remove")
        }
        if let both = remove.first(where: { key in labels.contains { $0.key == key } }) {
            throw ValidationError("the label \(both) is to be set and removed")
        }
    }

    func run(_ session: Session) throws(DriverError) {
        var changes = labels.dictionary.mapValues { Optional($0) }
        for key in remove { changes.updateValue(nil, forKey: key) }
        let changed = try session.store().setLabels(of: layer, changes)
        if global.json { try session.output.print(changed.json) }
    }
}
