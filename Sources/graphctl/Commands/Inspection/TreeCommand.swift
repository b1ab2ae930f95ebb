// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore

struct TreeCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "tree", abstract: "Shows the tree of layers.")

    @Flag(name: .customLong("no-trunc"), help: "Do not shorten digests and long names.")
    var isWhole = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "tree" }

    func run(_ session: Session) throws(DriverError) {
        let store = try session.store()
        let layers = try store.layers(matching: [])
        let children = Dictionary(grouping: layers, by: \.parent)
        if global.json {
            try session.output.print(JSON(Self.forest(layers, children)) { $0 })
        } else {
            // A store from before images were recorded is shown without their names.
            let images = (try? store.images.all()) ?? []
            let names = Dictionary(grouping: images) { $0.top ?? "" }
            try draw(children, names.mapValues { $0.flatMap(\.names) }, session.output)
        }
    }

    /// A layer to be drawn, and the lines that lead to it.
    private struct Branch {
        let layer: Layer
        let prefix: String
        let isLast: Bool
    }

    /// Depth first, without recursion, since chains may be deep; what was drawn is not drawn again.
    private func draw(
        _ children: [String?: [Layer]], _ names: [String: [String]], _ output: Output
    ) throws(DriverError) {
        var rest = children
        for root in rest.removeValue(forKey: nil) ?? [] {
            try output.print(line(root, names))
            var branches = Self.branches(rest.removeValue(forKey: root.id), "")
            while let branch = branches.popLast() {
                let joint = branch.isLast ? "└── " : "├── "
                try output.print(branch.prefix + joint + line(branch.layer, names))
                let prefix = branch.prefix + (branch.isLast ? "    " : "│   ")
                branches += Self.branches(rest.removeValue(forKey: branch.layer.id), prefix)
            }
        }
    }

    /// The children of one layer, the first to be drawn at the end.
    private static func branches(_ layers: [Layer]?, _ prefix: String) -> [Branch] {
        let layers = layers ?? []
        return layers.indices.reversed().map { index in
            Branch(layer: layers[index], prefix: prefix, isLast: index == layers.count - 1)
        }
    }

    private func line(_ layer: Layer, _ names: [String: [String]]) -> String {
        var facts = [shortID(layer.id, whole: isWhole), layer.kind.rawValue]
        if let usage = layer.usage { facts.append(humanBytes(usage.bytes)) }
        if let names = names[layer.id], !names.isEmpty {
            facts += names.map { isWhole ? $0 : short($0) }
        }
        return facts.joined(separator: "  ")
    }

    /// The same as nested objects, made from the deepest layers up.
    private static func forest(_ layers: [Layer], _ children: [String?: [Layer]]) -> [JSON] {
        var finished: [String: JSON] = [:]
        for layer in layers.sorted(by: { $0.depth > $1.depth }) {
            finished[layer.id] = [
                "id": .string(layer.id), "kind": .string(layer.kind.rawValue),
                "usage": layer.usage.map(\.json) ?? .null,
                "children": JSON(children[layer.id] ?? []) { finished[$0.id] ?? .null },
            ]
        }
        return (children[nil] ?? []).map { finished[$0.id] ?? .null }
    }
}
