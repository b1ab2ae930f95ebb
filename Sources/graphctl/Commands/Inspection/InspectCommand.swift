// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore

struct InspectCommand: CommonCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Prints everything known about a layer or an image, as JSON.")

    @Argument(help: "The layer or image.", completion: .layerOrImage)
    var layer: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var action: InspectAction {
        InspectAction(layer: layer)
    }
}

struct InspectAction: CommonAction {
    var layer: String

    var attempt: String { "inspect \(layer)" }

    func run(_ session: Session) throws(DriverError) {
        let store = try session.store()
        switch try store.referent(layer) {
        case .layer(let found): try print(found, of: store, session)
        case .image(let image): try print(image, of: store, session)
        }
    }

    private func print(
        _ layer: Layer, of store: LayerStore, _ session: Session
    ) throws(DriverError) {
        guard case .object(var members) = layer.json else { return }
        members["chain"] = JSON(try store.chain(of: layer.id)) { .string($0.id) }
        members["children"] = JSON(try store.children(of: layer.id)) { .string($0.id) }
        members["images"] = JSON(try store.images.over(layer)) { JSON($0.id) }
        members["mounts"] = JSON(try store.mounted(layer.id), \.json)
        if try store.isVolatile(layer) { members["volatile"] = .bool(true) }
        try session.output.print(.object(members))
    }

    private func print(
        _ image: StoredImage, of store: LayerStore, _ session: Session
    ) throws(DriverError) {
        guard case .object(var members) = image.json else { return }
        let chain = try image.top.map { (top) throws(DriverError) in try store.chain(of: top) }
        members["chain"] = JSON(chain ?? []) { .string($0.id) }
        members["configuration"] =
            image.hasConfiguration
            ? JSON(document: try store.images.configuration(of: image)) : .null
        try session.output.print(.object(members))
    }
}

extension InspectAction {
    init?(_ line: inout CommonLine) {
        guard let layer = line.argument() else { return nil }
        self.layer = layer
    }
}
