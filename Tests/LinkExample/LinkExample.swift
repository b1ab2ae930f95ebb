// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphBuiltins
import GraphCore
import GraphStore
import Logging
import SystemPackage

/// Unpacks a layer tar, runs something in a container over it, and keeps what changed.
@main
struct LinkExample {
    static func main() throws {
        let arguments = CommandLine.arguments.map { FilePath($0) }
        guard arguments.count == 3 else { fatalError("usage: link-example STORE LAYER.tar") }
        let store = try LayerStore(
            LayerStore.Configuration(
                root: arguments[1].appending("root"), runRoot: arguments[1].appending("run"),
                driver: nil, options: [:], logger: Logger(label: "runtime")),
            drivers: BuiltinDrivers.all, chooseDriver: BuiltinDrivers.automatic)

        let tar = try FileSource(opening: arguments[2])
        let base = try store.apply(
            tar, id: nil, parent: nil, diffID: nil, labels: ["name": "base"], observer: .none)
        let container = try store.create(
            id: nil, parent: base.layer.id, labels: [:], limits: .none, observer: .none)

        let mounted = try store.mount(container.id, at: nil)
        try run(in: mounted.path)
        _ = try store.unmount(layer: container.id)

        for change in try store.changes(of: container.id, from: nil, observer: .none) {
            print(change)
        }
        let kept = try store.commit(container.id, as: nil, observer: .none)
        print("kept as \(kept.id)")
    }

    /// Stands for the container's process.
    ///
    /// Nothing may stay open below the mount.
    static func run(in root: FilePath) throws {
        let file = try FileDescriptor.open(
            root.appending("hello"), .writeOnly, options: .create,
            permissions: [.ownerReadWrite, .groupRead, .otherRead])
        try file.closeAfter { _ = try file.writeAll("hello from a container\n".utf8) }
    }
}
