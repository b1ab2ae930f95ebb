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
        help: ArgumentHelp("Labels; without a value the label is removed.", valueName: "key=value"),
        transform: KeyValue.init(parsing:))
    var labels: [KeyValue]

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "label \(layer)" }

    func run(_ session: Session) throws(DriverError) {
        let changes = labels.dictionary.mapValues { $0.isEmpty ? nil : $0 }
        let changed = try session.store().setLabels(of: layer, changes)
        if global.json { try session.output.print(changed.json) }
    }
}
