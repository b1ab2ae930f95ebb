// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphArchive
import GraphCore
import GraphImage
import GraphStore
import GraphSystem
import SystemPackage

struct ImportCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Imports an image, and prints its id.",
        discussion: """
            The source is a docker-archive, an oci-archive (both may be compressed), the directory of \
            an OCI layout or of skopeo's dir:, or the files of a docker-archive; with or without the \
            transport that skopeo and podman know it by, such as oci:DIR:NAME. All digests are verified. \
            Layers that the store has are not read.
            """)

    @Argument(
        help: "The archive or directory; - for an archive on standard input.",
        completion: .file(), transform: ImageLocation.argument)
    var source: ImageLocation

    @Option(
        help: ArgumentHelp(
            "Which image, where there are several; also the name that it gets.", valueName: "ref"))
    var name: String?

    @Option(
        help: ArgumentHelp(
            "For which platform, where there are several (default: this machine's).",
            valueName: "os/arch[/variant]"),
        transform: Platform.argument)
    var platform: Platform?

    @Flag(
        name: .customLong("keep-blobs"),
        help: "Keep the layers also compressed as they came, so that export has the same manifest.")
    var keepsBlobs = false

    @Flag(help: "Tell what the time went into.")
    var timings = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    private var path: String { source.path.string }
    private var isStandardInput: Bool { path == "-" }

    var attempt: String { isStandardInput ? "import standard input" : "import \(path)" }

    func validate() throws {
        if let chosen = source.name, name != nil {
            throw ValidationError("the source names the image \(chosen) already: leave --name out")
        }
    }

    func run(_ session: Session) throws(DriverError) {
        let observer = session.observer
        // A source that is not there must not make a store.
        if !isStandardInput {
            let type = try attempting(
                "open \(path)", try OwnedDescriptor.open(source.path, .path).status().type)
            if type == .directory {
                let store = try session.store(.anything)
                let images = try ImageSource(
                    opening: source.path, as: source.format,
                    spoolingTo: try global.settings.rootPath())
                try importImage(images, into: store, session, observer)
                return
            }
        }
        let input = try InputFile(path)
        let store = try session.store(.anything)
        let directory = try global.settings.rootPath()
        let isFile = input.totalBytes != nil
        let images =
            isFile
            ? try ImageSource(
                reading: input.take(), as: source.format, spoolingTo: directory, observer: observer)
            : try ImageSource(
                reading: input.waitingStream(), as: source.format, spoolingTo: directory,
                observer: observer)
        try importImage(images, into: store, session, observer)
    }

    private func importImage(
        _ images: ImageSource, into store: LayerStore, _ session: Session,
        _ observer: WorkObserver
    ) throws(DriverError) {
        let imported = try GraphImage.importImage(
            images, name: name ?? source.name, for: platform ?? .host, into: store,
            keepsBlobs: keepsBlobs, observer: observer)
        session.progress?.erase()
        try session.print(
            name: imported.image.id.hex, imported.image.json, existing: imported.wasPresent,
            timings ? imported.timings : nil, warnings: imported.warnings)
    }
}
