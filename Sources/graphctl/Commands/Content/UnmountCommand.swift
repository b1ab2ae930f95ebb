// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore
import SystemPackage

struct UnmountCommand: CommonCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmount",
        abstract: "Unmounts a layer, and prints the path.",
        aliases: ["umount"])

    @Argument(
        help: "A layer, or the path where it is mounted: whatever has a slash in it is a path.",
        completion: .layer)
    var layerOrTarget: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var action: UnmountAction {
        UnmountAction(layerOrTarget: layerOrTarget)
    }
}

struct UnmountAction: CommonAction {
    var layerOrTarget: String

    var attempt: String { "unmount \(layerOrTarget)" }

    func run(_ session: Session) throws(DriverError) {
        let store = try session.store()
        if layerOrTarget.contains("/") {
            try session.print(path: try store.unmount(target: FilePath(layerOrTarget)))
            return
        }
        let mount: MountedLayer
        do throws(DriverError) {
            mount = try store.unmount(layer: layerOrTarget)
        } catch  where error.code == .layerNotFound {
            // Perhaps a mount point in the current directory.
            do throws(DriverError) {
                mount = try store.unmount(target: FilePath(layerOrTarget))
            } catch _ {
                throw error
            }
        }
        try session.print(path: mount)
    }
}

extension UnmountAction {
    init?(_ line: inout CommonLine) {
        guard let place = line.argument() else { return nil }
        layerOrTarget = place
    }
}
