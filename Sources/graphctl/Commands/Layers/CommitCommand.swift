// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore

struct CommitCommand: CommonCommand {
    static let configuration = CommandConfiguration(
        commandName: "commit",
        abstract: "Commits a writable layer, so that it can be a parent, and prints its id.")

    @Argument(help: "The writable layer.", completion: .layer)
    var layer: String

    @Option(help: "The id from then on; default: the one that it has.")
    var id: String?

    @Option(help: "What it is called beside its id from then on; default: what it is called now.")
    var name: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var action: CommitAction {
        CommitAction(layer: layer, id: id, name: name)
    }
}

struct CommitAction: CommonAction {
    var layer: String
    var id: String?
    var name: String?

    var attempt: String { "commit \(layer)" }

    func run(_ session: Session) throws(DriverError) {
        let observer = session.observer
        let committed = try session.store().commit(layer, as: id, name: name, observer: observer)
        session.progress?.erase()
        if committed.diffID == nil {
            session.warn(
                "warning: it has names that begin with .wh., which no layer tar can hold: it can be a"
                    + " parent, and diff refuses it unless --skip-unrepresentable leaves them out")
        }
        try session.print(id: committed)
    }
}

extension CommitAction {
    init?(_ line: inout CommonLine) {
        id = line.option("id")
        name = line.option("name")
        guard let layer = line.argument() else { return nil }
        self.layer = layer
    }
}
