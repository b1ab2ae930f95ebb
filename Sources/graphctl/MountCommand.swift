// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore
import SystemPackage

struct MountCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount",
        abstract: "Mounts a writable layer or a view, and prints the path.",
        discussion: """
            Writable layers are mounted writable, views read-only; a committed layer is looked at \
            through a view. Mounts are counted: what was mounted twice is gone after the second \
            unmount.
            """)

    @Argument(help: "A writable layer or a view.", completion: .layer)
    var layer: String

    @Argument(
        help: "An existing directory; default: one below the run root.", completion: .directory)
    var target: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "mount \(layer)" }

    func run(_ session: Session) throws(DriverError) {
        let place = target.map { FilePath($0) }
        try session.print(path: try session.store().mount(layer, at: place))
    }
}
