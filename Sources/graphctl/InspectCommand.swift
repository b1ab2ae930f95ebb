// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore

struct InspectCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Prints all that is known of a layer, as JSON.")

    @Argument(help: "The layer.", completion: .layer)
    var layer: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "inspect \(layer)" }

    func run(_ session: Session) throws(DriverError) {
        let store = try session.store()
        let found = try store.layer(layer)
        guard case .object(var members) = found.json else { return }
        members["chain"] = JSON(try store.chain(of: found.id)) { .string($0.id) }
        members["children"] = JSON(try store.children(of: found.id)) { .string($0.id) }
        members["mounts"] = JSON(try store.mounted(found.id), \.json)
        try session.output.print(.object(members))
    }
}
