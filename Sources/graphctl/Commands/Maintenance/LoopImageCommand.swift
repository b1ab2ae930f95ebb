// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore
import SystemPackage

struct LoopImageCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "loop-image",
        abstract: "Shows, grows or detaches the loop image of a store.")

    enum Action: String, CaseIterable, ExpressibleByArgument {
        case status, grow, detach
    }

    @Argument(
        help: ArgumentHelp(
            "What to do: show how full it is; make it larger, with layers mounted; take it out of the kernel, until the store is opened again.",
            valueName: "status|grow|detach"))
    var action: Action

    @Option(
        help: ArgumentHelp("The new size, for grow.", valueName: "bytes"),
        transform: ByteCount.init(parsing:))
    var size: ByteCount?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "loop-image \(action.rawValue)" }

    func validate() throws {
        if action != .grow && size != nil { throw ValidationError("a size is for loop-image grow") }
    }

    func run(_ session: Session) throws(DriverError) {
        let loopImage = try LoopImageControl(root: try global.settings.rootPath())
        switch action {
        case .status: break
        case .grow:
            try loopImage.grow(toBytes: size?.bytes)
        case .detach:
            try loopImage.detach()
            return
        }
        let status = try loopImage.status()
        if global.json {
            try session.output.print(status.json)
            return
        }
        for (key, value) in status.facts {
            try session.output.print("\(key): \(value)")
        }
    }
}

extension LoopImageStatus {
    /// For a person.
    var facts: [(String, String)] {
        var facts: [(String, String)] = [("loop image", image.string)]
        if let device {
            let way =
                switch isDirect {
                case true?: " (direct)"
                case false?: " (through the page cache)"
                case nil: ""
                }
            facts.append(("loop image device", device.string + way))
        } else {
            facts.append(("loop image device", "not attached here"))
        }
        facts.append(("loop image size", humanBytes(size)))
        if let filesystemBytes, let availableBytes {
            facts.append(
                (
                    "loop image available",
                    "\(humanBytes(availableBytes)) of \(humanBytes(filesystemBytes))"
                ))
        }
        return facts + [
            ("loop image allocated", "\(humanBytes(allocatedBytes)) on \(hostFilesystem)"),
            ("available below the loop image", humanBytes(hostAvailableBytes)),
        ]
    }

    /// For a program.
    var json: JSON {
        [
            "image": .string(image.string), "device": JSON(device?.string),
            "direct": isDirect.map { .bool($0) } ?? .null, "size": JSON(size),
            "filesystem_size": JSON(filesystemBytes), "available": JSON(availableBytes),
            "allocated": JSON(allocatedBytes), "host_filesystem": .string(hostFilesystem),
            "host_available": JSON(hostAvailableBytes),
        ]
    }
}
