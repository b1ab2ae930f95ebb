// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphArchive
import GraphCore
import GraphStore
import GraphSystem

struct ChangesCommand: CommonCommand {
    static let configuration = CommandConfiguration(
        commandName: "changes",
        abstract: "Lists what a layer adds (A), modifies (M) and deletes (D).")

    @Argument(help: "The layer.", completion: .layer)
    var layer: String

    @Option(
        help: ArgumentHelp("Compare with this layer; default: the parent.", valueName: "layer"),
        completion: .layer)
    var from: String?

    @Flag(help: "Tell what the time went into, and how the driver found the changes.")
    var timings = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var action: ChangesAction {
        ChangesAction(layer: layer, from: from, timings: timings)
    }
}

struct ChangesAction: CommonAction {
    var layer: String
    var from: String?
    var timings: Bool

    var attempt: String { "changes \(layer)" }

    func run(_ session: Session) throws(DriverError) {
        let observer = session.observer
        let timed = try session.store().timedChanges(of: layer, from: from, observer: observer)
        session.progress?.erase()
        if timings { Failure.printLine(Self.line(timed)) }
        if session.settings.json {
            try session.output.print(arrayOf: timed.changes) { change throws(DriverError) in
                try Self.requireGoOn(observer)
                return Self.json(change)
            }
            return
        }
        for change in timed.changes {
            try Self.requireGoOn(observer)
            try session.output.print(
                bytes: Array("\(change.kind.rawValue) /".utf8) + change.path.bytes)
        }
    }

    /// The paths of a deep tree are many times what its names are, and take a while to print.
    private static func requireGoOn(_ observer: WorkObserver) throws(DriverError) {
        if observer.isCancelled { throw DriverError(.cancelled, "stopped on request") }
    }

    /// Microseconds, since some milliseconds are what it takes.
    private static func line(_ timed: TimedChanges) -> String {
        let line =
            "find \(timed.find.microseconds) us, compare \(timed.compare.microseconds) us"
        return timed.note.map { "\(line), \($0)" } ?? line
    }

    private static func json(_ change: Change) -> JSON {
        let path = String(decoding: change.path.bytes, as: UTF8.self)
        let kind =
            switch change.kind {
            case .added: "added"
            case .modified: "modified"
            case .deleted: "deleted"
            }
        var object: [String: JSON] = ["kind": .string(kind), "path": .string("/" + path)]
        // JSON has no way to spell a name that is not UTF-8.
        if !path.utf8.elementsEqual(change.path.bytes) {
            let digits = change.path.bytes.map { byte in
                (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
            object["path_hex"] = .string("2f" + digits.joined())
        }
        return .object(object)
    }
}

extension ChangesAction {
    init?(_ line: inout CommonLine) {
        from = line.option("from")
        timings = line.flag("timings")
        guard let layer = line.argument() else { return nil }
        self.layer = layer
    }
}
