// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphArchive
import GraphCore
import GraphStore

struct ApplyCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Creates a committed layer from a layer tar, and prints its id.",
        discussion: """
            The tar may be compressed with gzip or zstd. Applying a tar that the store has on the \
            same parent, under the same id if one is given, adds nothing but the labels.
            """)

    @Option(help: "The layer's id; default: its chain's digest.")
    var id: String?

    @Option(
        help: ArgumentHelp(
            "A committed layer or an image that the tar changes.", valueName: "layer"),
        completion: .layerOrImage)
    var parent: String?

    @Option(
        name: .customLong("label"),
        help: ArgumentHelp("A label; may be repeated.", valueName: "key=value"),
        transform: KeyValue.init(parsing:))
    var labels: [KeyValue] = []

    @Option(
        name: .customLong("diff-id"),
        help: ArgumentHelp(
            "What the sha256 of the uncompressed tar has to be.", valueName: "digest"),
        transform: Digest.argument)
    var diffID: Digest?

    @Flag(help: "Tell what the time went into.")
    var timings = false

    @Argument(help: "The tar; - or nothing for standard input.", completion: .file())
    var file: String = "-"

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { file == "-" ? "apply standard input" : "apply \(file)" }

    func run(_ session: Session) throws(DriverError) {
        let input = try InputFile(file)
        let (stream, observer) = input.stream(for: session)
        let store = try session.store(.anything)
        let applied: AppliedLayer
        do throws(DriverError) {
            applied = try store.apply(
                stream, id: id, parent: parent, diffID: diffID, labels: labels.dictionary,
                observer: observer)
        } catch {
            // What was unpacked up to there takes no more space.
            _ = try? store.reclaim(observer: .none)
            throw error
        }
        if applied.wasPresent { _ = try? store.reclaim(observer: .none) }
        session.progress?.erase()
        try session.print(
            id: applied.layer, existing: applied.wasPresent, timings ? applied.timings : nil,
            warnings: applied.warnings)
    }
}
