// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphArchive
import GraphCore
import GraphStore

struct ListCommand: CommonCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "Lists the layers, the oldest first.", aliases: ["list"])

    @Option(
        name: .customLong("filter"),
        help: ArgumentHelp(
            "Only layers with this label; may be repeated, and then all are needed.",
            valueName: "key=value"),
        transform: LabelFilter.argument)
    var filters: [LabelFilter] = []

    @Option(
        name: .customLong("where"),
        help: ArgumentHelp(
            "Only layers of which this is true, such as kind==active,name~=/^k8s/; may be repeated, and "
                + "then one is enough.",
            valueName: "filter"),
        transform: LayerFilter.argument)
    var conditions: [LayerFilter] = []

    @Flag(name: .shortAndLong, help: "Print whole ids and nothing else.")
    var quiet = false

    @Flag(name: .customLong("no-trunc"), help: "Do not shorten digests and long labels.")
    var isWhole = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var action: ListAction {
        ListAction(filters: filters, conditions: conditions, quiet: quiet, isWhole: isWhole)
    }
}

struct ListAction: CommonAction {
    var filters: [LabelFilter]
    var conditions: [LayerFilter]
    var quiet: Bool
    var isWhole: Bool

    var attempt: String { "ls" }

    func run(_ session: Session) throws(DriverError) {
        let store = try session.store()
        if quiet && !session.settings.json {
            let ids =
                filters.isEmpty && conditions.isEmpty
                ? try store.layerIDs()
                : try store.layers(matching: filters, where: conditions).map(\.id)
            for id in ids { try session.output.print(id) }
            return
        }
        let layers = try store.layers(matching: filters, where: conditions)
        if session.settings.json {
            return try session.output.print(arrayOf: layers) { $0.json }
        }
        try session.output.print(table(layers))
    }

    private func table(_ layers: [Layer]) -> Table {
        var table = Table(
            ["ID", "KIND", "PARENT", "SIZE", "CREATED", "LABELS"], right: [3])
        for layer in layers {
            var labels = ""
            for (key, value) in layer.labels.sorted(by: { $0.key < $1.key }) {
                if !labels.isEmpty { labels += "," }
                labels += isWhole ? "\(key)=\(value)" : short("\(key)=\(digest(value))")
            }
            table.add(
                shortID(layer.id, whole: isWhole), layer.kind.rawValue,
                layer.parent.map { shortID($0, whole: isWhole) } ?? "-",
                layer.usage.map { humanBytes($0.bytes) } ?? "-", rfc3339(layer.created),
                labels)
        }
        return table
    }

    private func digest(_ value: String) -> String {
        guard value.hasPrefix("sha256:"), let digest = Digest(parsing: value) else {
            return value
        }
        return "sha256:" + digest.hex.prefix(12)
    }
}

extension ListAction {
    init?(_ line: inout CommonLine) {
        filters = line.options("filter", LabelFilter.argument)
        conditions = line.options("where", LayerFilter.argument)
        quiet = line.flag("quiet", "q")
        isWhole = line.flag("no-trunc")
    }
}
