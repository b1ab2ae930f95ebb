// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore

struct CollectCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Removes orphans and what dead processes left, and prints them.")

    @Flag(help: "Only print what would be removed.")
    var dryRun = false

    @Flag(
        help: ArgumentHelp(
            "Also free layers that have no record, whatever they hold.",
            discussion: """
                For a store whose records were lost and cannot be put back: it goes on with those that \
                it has. "check" says what has no record.
                """))
    var orphans = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "gc" }

    func run(_ session: Session) throws(DriverError) {
        let observer = session.observer
        let store = try session.store()
        let findings = try store.collectGarbage(
            dryRun: dryRun, orphans: orphans, observer: observer)
        session.progress?.erase()
        let freeing = store.freeingCount()
        try session.print(findings: findings, ["freeing": freeing.map { JSON($0) } ?? .null])
        if let freeing, freeing > 0, !global.json {
            try session.output.print("The kernel has still to free \(freeing) of what was removed.")
        }
    }
}
