// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore
import GraphSystem

struct CreateCommand: CommonCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Creates a writable layer, or several, and prints their ids.")

    @Option(help: "The layer's id; default: a random one.")
    var id: String?

    @Option(help: "What it is called beside its id: one line of text.")
    var name: String?

    @Option(
        help: ArgumentHelp(
            "A committed layer or an image that it starts from.", valueName: "layer"),
        completion: .layerOrImage)
    var parent: String?

    @Option(
        name: .customLong("label"),
        help: ArgumentHelp("A label; may be repeated.", valueName: "key=value"),
        transform: KeyValue.init(parsing:))
    var labels: [KeyValue] = []

    @Option(
        help: ArgumentHelp(
            "What its own changes may take, such as 10G; units are powers of 1024.",
            valueName: "bytes"),
        transform: ByteCount.init(parsing:))
    var size: ByteCount?

    @Option(
        name: .customLong("copy-up"),
        help: ArgumentHelp(
            "A file or directory of the parent to copy up now, so that the first write does not "
                + "wait for it (driver overlay); may be repeated.",
            valueName: "path"))
    var copyUp: [String] = []

    @Flag(
        help: ArgumentHelp(
            "Sync nothing that is written to it; a stop of the machine then takes the layer (driver "
                + "overlay)."))
    var volatile = false

    @Option(
        help: ArgumentHelp(
            "How many alike to make, 1 to 10000, all or none; with random ids.",
            valueName: "number"),
        transform: LayerCount.init(parsing:))
    var count: LayerCount?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var action: CreateAction {
        CreateAction(
            id: id, name: name, parent: parent, labels: labels, size: size, copyUp: copyUp,
            isVolatile: volatile, count: count)
    }

    func validate() throws {
        if (id ?? name) != nil && count != nil {
            throw ValidationError(
                "'--id' and '--name' are of one layer, '--count' makes several: give one of them")
        }
    }
}

struct CreateAction: CommonAction {
    var id: String?
    var name: String?
    var parent: String?
    var labels: [KeyValue]
    var size: ByteCount?
    var copyUp: [String]
    var isVolatile: Bool
    var count: LayerCount?

    var attempt: String { "create " + (id ?? (count == nil ? "a layer" : "layers")) }

    func run(_ session: Session) throws(DriverError) {
        let observer = session.observer
        let request = LayerRequest(
            id: id, name: name, parent: parent, labels: labels.dictionary,
            limits: LayerLimits(bytes: size?.bytes), volatile: isVolatile,
            copyUp: copyUp.map { RawPath($0) })
        let layers = try session.store(.anything).create(
            Array(repeating: request, count: count?.number ?? 1), observer: observer)
        session.progress?.erase()
        if count == nil { return try session.print(id: layers[0]) }
        if session.settings.json {
            return try session.output.print(["layers": JSON(layers, \.json)])
        }
        for layer in layers { try session.output.print(layer.id) }
    }
}

extension CreateAction {
    init?(_ line: inout CommonLine) {
        id = line.option("id")
        name = line.option("name")
        parent = line.option("parent")
        labels = line.options("label", KeyValue.init(parsing:))
        size = line.option("size", nil, ByteCount.init(parsing:))
        copyUp = line.options("copy-up") { $0 }
        isVolatile = line.flag("volatile")
        count = line.option("count", nil, LayerCount.init(parsing:))
        // The parser says why not both.
        if (id ?? name) != nil && count != nil { return nil }
    }
}
