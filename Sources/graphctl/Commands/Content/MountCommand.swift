// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore
import GraphSystem
import SystemPackage

struct MountCommand: CommonCommand {
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

    @Flag(
        help: "Mount nothing: print the layer's block device, for a virtual machine to mount.")
    var device = false

    @Flag(
        name: .customLong("print"),
        help: "Mount nothing: print what mount(8) makes the mount of, for who mounts by itself.")
    var isPrinted = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func validate() throws {
        if device && target != nil { throw ValidationError("a device is mounted nowhere here") }
        if isPrinted && (target != nil || device) {
            throw ValidationError("'--print' mounts nothing, and prints no device")
        }
    }

    var action: MountAction {
        MountAction(layer: layer, target: target, device: device, isPrinted: isPrinted)
    }
}

struct MountAction: CommonAction {
    var layer: String
    var target: String?
    var device: Bool
    var isPrinted: Bool

    var attempt: String { "mount \(layer)" }

    func run(_ session: Session) throws(DriverError) {
        let store = try session.store()
        if isPrinted { return try print(try store.mounts(of: layer), session) }
        if device {
            try session.print(path: try store.mountDevice(layer))
            return
        }
        try session.print(path: try store.mount(layer, at: target.map { FilePath($0) }))
    }

    private func print(
        _ mounts: [MountArguments], _ session: Session
    ) throws(DriverError) {
        if session.settings.json {
            return try session.output.print([
                "mounts": JSON(mounts) { mount in
                    [
                        "type": .string(mount.type), "source": .string(mount.source),
                        "options": JSON(mount.options) { .string($0) },
                    ]
                }
            ])
        }
        for mount in mounts {
            let words = [mount.type, mount.source, mount.options.joined(separator: ",")]
            try session.output.print(words.joined(separator: " "))
        }
    }
}

extension MountAction {
    init?(_ line: inout CommonLine) {
        device = line.flag("device")
        isPrinted = line.flag("print")
        guard let layer = line.argument() else { return nil }
        self.layer = layer
        target = line.argument()
        if (device || isPrinted) && target != nil || device && isPrinted { return nil }
    }
}
