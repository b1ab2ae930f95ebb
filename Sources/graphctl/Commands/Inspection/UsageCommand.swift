// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore

struct UsageCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "usage", abstract: "Shows the space of a layer, alone and with its parents.")

    @Argument(help: "The layer.", completion: .layer)
    var layer: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "usage \(layer)" }

    func run(_ session: Session) throws(DriverError) {
        let usage = try session.store().usage(of: layer)
        var table = Table(["", "BYTES", "INODES", "SIZE"], right: [1, 2, 3])
        for (name, part) in [("own", usage.own), ("total", usage.total)] {
            table.add(name, String(part.bytes), String(part.inodes), humanBytes(part.bytes))
        }
        try session.print(table, json: ["own": usage.own.json, "total": usage.total.json])
    }
}
