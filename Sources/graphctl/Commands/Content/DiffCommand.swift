// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphArchive
import GraphCore
import GraphStore
import GraphSystem
import SystemPackage

struct DiffCommand: CommonCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Writes what a layer changes as a layer tar.",
        discussion: """
            A layer that was applied comes back byte for byte. In every other tar no time is later than \
            SOURCE_DATE_EPOCH, where the environment has that.
            """)

    @Argument(help: "The layer.", completion: .layer)
    var layer: String

    @Option(
        help: ArgumentHelp("Compare with this layer; default: the parent.", valueName: "layer"),
        completion: .layer)
    var from: String?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "The file, complete or not there at all; - or nothing for standard output.",
            valueName: "file"),
        completion: .file())
    var output: String = "-"

    @Flag(help: "The same bytes for the same content, not those that were applied.")
    var canonical = false

    @Flag(
        name: .customLong("skip-unrepresentable"),
        help: "Leave names out that begin with .wh., and warn, where the tar would be refused.")
    var skipsUnrepresentable = false

    @Flag(help: "Tell what the time went into.")
    var timings = false

    @Option(help: ArgumentHelp("How to compress.", valueName: "compression"))
    var compress: CompressionName = .none

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func validate() throws {
        if output == "-" && global.json {
            throw ValidationError("--json needs --output: the tar itself goes to standard output.")
        }
    }

    var action: DiffAction {
        DiffAction(
            layer: layer, from: from, output: output, canonical: canonical,
            skipsUnrepresentable: skipsUnrepresentable, timings: timings, compress: compress)
    }
}

struct DiffAction: CommonAction {
    var layer: String
    var from: String?
    var output: String
    var canonical: Bool
    var skipsUnrepresentable: Bool
    var timings: Bool
    var compress: CompressionName

    var attempt: String { "diff \(layer)" }

    private var form: TarForm { canonical ? .canonical : .applied }

    func run(_ session: Session) throws(DriverError) {
        if output == "-" && StandardStream.output.isTerminal {
            throw DriverError(
                .invalidArgument, "standard output is a terminal: use --output, or a pipe")
        }
        let observer = session.observer
        let how = DiffForm(
            markedNames: skipsUnrepresentable ? .leftOut : .refused,
            latest: try Settings.sourceDateEpoch())
        let store = try session.store()
        // Before a file is made.
        _ = try store.layer(layer)
        if output == "-" {
            let sink = FileSink(
                try attempting("use standard output", try StandardStream.output.duplicate()))
            let written = try store.writeDiff(
                of: layer, from: from, form, how, to: Compressor(sink, compress.compression),
                observer: observer)
            session.progress?.erase()
            session.tell(written.warnings)
            if timings { Failure.printLine(written.timings.line(Self.timed)) }
            return
        }
        let file = try OutputFile(FilePath(output))
        // The tar itself is hashed already.
        let packed = session.settings.json && compress != .none ? HashingSink(file) : nil
        var sink: any ByteSink = file
        if let packed { sink = packed }
        let written = try store.writeDiff(
            of: layer, from: from, form, how, to: Compressor(sink, compress.compression),
            observer: observer)
        try file.keep()
        session.progress?.erase()
        session.tell(written.warnings)
        if timings && !session.settings.json {
            Failure.printLine(written.timings.line(Self.timed))
        }
        if session.settings.json {
            let report: JSON = [
                "path": .string(output), "bytes": JSON(packed?.byteCount ?? written.byteCount),
                "digest": JSON(packed?.digest ?? written.digest), "diff_id": JSON(written.digest),
                "diff_bytes": JSON(written.byteCount),
                "warnings": JSON(written.warnings, \.json),
            ]
            try session.output.print(
                timings ? report.adding(written.timings.member(Self.timed)) : report)
        }
    }

    /// What a diff spends time on: reading files, hashing, and compressing and writing the tar.
    private static let timed: [WorkTimings.Part] = [.read, .hash, .write]
}

extension DiffAction {
    init?(_ line: inout CommonLine) {
        from = line.option("from")
        output = line.option("output", "o") ?? "-"
        canonical = line.flag("canonical")
        skipsUnrepresentable = line.flag("skip-unrepresentable")
        timings = line.flag("timings")
        compress = line.option("compress") ?? CompressionName.none
        guard let layer = line.argument() else { return nil }
        self.layer = layer
        if output == "-" && line.settings.json { return nil }
    }
}
