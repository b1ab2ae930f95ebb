// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphArchive
import GraphCore
import GraphImage
import GraphStore
import GraphSystem

struct ExportCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Writes images in formats that other tools read.",
        discussion: """
            The destination is oci:DIRECTORY[:NAME], to which images are added where it is a layout, \
            oci-archive:FILE[:NAME] or docker-archive:FILE[:NAME]. Images keep their ids, and their \
            manifests where the layers can be compressed to the bytes that came.
            """)

    @Argument(
        help: ArgumentHelp("The images, and at the end where to.", valueName: "image ... dest"),
        completion: .image)
    var words: [String]

    @Option(
        help: ArgumentHelp(
            "Write this committed layer as an image, over the image below it.", valueName: "layer"),
        completion: .layer)
    var layer: String?

    @Option(
        help: ArgumentHelp(
            "How to compress layers (default: as they came, else gzip).",
            valueName: "compression"))
    var compress: CompressionName?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    private var images: [String] { Array(words.dropLast()) }

    var attempt: String {
        "export \((layer.map { [$0] } ?? images).joined(separator: " "))"
    }

    func validate() throws {
        if layer == nil && images.isEmpty {
            throw ValidationError("name the images, and at the end where they go")
        }
        if layer != nil && images.count > 1 {
            throw ValidationError("a layer is over one image")
        }
        let location = words.last.flatMap { ImageLocation(parsing: $0) }
        guard let location, let format = location.format, format != .directory else {
            throw ValidationError(
                "the destination is oci:DIRECTORY[:NAME], oci-archive:FILE[:NAME] or "
                    + "docker-archive:FILE[:NAME]")
        }
    }

    func run(_ session: Session) throws(DriverError) {
        guard let destination = words.last.flatMap({ ImageLocation(parsing: $0) }) else { return }
        let observer = session.observer
        let store = try session.store()
        let time = try Settings.sourceDateEpoch()
        var exported: [ExportedImage] = []
        if let layer {
            exported.append(
                try ExportedImage(layer: layer, over: images.first, of: store, time: time))
        } else {
            for image in images { exported.append(try ExportedImage(image, of: store)) }
        }
        let written = try exportImages(
            exported, from: store, to: destination,
            ExportOptions(compression: compress?.compression, time: time), observer: observer)
        session.progress?.erase()
        for image in written { tell(of: image, session) }
        if global.json {
            try session.output.print(JSON(written, \.json))
        } else {
            for image in written {
                try session.output.print(image.manifest ?? image.id.description)
            }
        }
    }
}

extension ExportCommand {
    /// Warns of a manifest that is not the one that came, unless that was asked for.
    private func tell(of image: WrittenImage, _ session: Session) {
        guard let came = image.replacedManifest, let new = image.manifest else { return }
        let reason: String
        switch image.manifestChange {
        case .compression where compress != nil: return
        case .compression:
            reason =
                "its layers were compressed by another program, whose bytes cannot be made again"
        case .mediaTypes: reason = "it came with docker's, and an OCI layout has OCI's"
        case .algorithm, nil: reason = "the one that came names the configuration by another digest"
        }
        session.warn(
            "image \(image.id.hex.prefix(12)) has the manifest \(new) now, and not \(came): \(reason)"
        )
    }
}

extension WrittenImage {
    /// The image as `--json` prints it.
    var json: JSON {
        [
            "id": JSON(id), "names": JSON(names) { .string($0) }, "manifest": JSON(manifest),
            "replaced_manifest": JSON(replacedManifest),
        ]
    }
}
