// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphArchive
import GraphCore
import GraphStore

struct ImagesCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "images", abstract: "Lists the images, the oldest first.")

    @Flag(name: .shortAndLong, help: "Print whole ids and nothing else.")
    var quiet = false

    @Flag(name: .customLong("no-trunc"), help: "Do not shorten ids.")
    var isWhole = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "images" }

    func run(_ session: Session) throws(DriverError) {
        let images = try session.store().images.all()
        if quiet && !global.json {
            for image in images { try session.output.print(image.id.hex) }
            return
        }
        try session.print(table(images), json: JSON(images, \.json))
    }

    /// A line for each name.
    private func table(_ images: [StoredImage]) -> Table {
        var table = Table(
            ["NAME", "IMAGE ID", "PLATFORM", "TOP LAYER", "LAYERS", "SIZE", "CREATED"],
            right: [4, 5])
        for image in images {
            for name in image.names.isEmpty ? ["-"] : image.names {
                table.add(
                    isWhole ? name : short(name), shortID(image.id.hex, whole: isWhole),
                    image.platform ?? "-",
                    image.top.map { shortID($0, whole: isWhole) } ?? "-",
                    String(image.layerCount), humanBytes(image.usage.bytes),
                    rfc3339(image.created))
            }
        }
        return table
    }
}

struct TagCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "tag",
        abstract: "Adds a name to an image, and removes it from the image that had it.")

    @Argument(help: "The image.", completion: .image)
    var image: String

    @Argument(help: "The name.")
    var name: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "tag \(image)" }

    func run(_ session: Session) throws(DriverError) {
        let tagged = try session.store().images.tag(image, as: name)
        if global.json { try session.output.print(tagged.json) }
    }
}

struct UntagCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "untag",
        abstract: "Removes a name from its image, which stays even without a name.")

    @Argument(help: "The name.", completion: .image)
    var name: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "untag \(name)" }

    func run(_ session: Session) throws(DriverError) {
        let untagged = try session.store().images.untag(name)
        if global.json { try session.output.print(untagged.json) }
    }
}
