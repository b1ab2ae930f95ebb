// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore
import SystemPackage

struct BedCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "bed",
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

    var attempt: String { "bed \(action.rawValue)" }

    func validate() throws {
        if action != .grow && size != nil { throw ValidationError("a size is for bed grow") }
    }

    func run(_ session: Session) throws(DriverError) {
        let bed = try BedControl(root: try global.rootPath())
        switch action {
        case .status: break
        case .grow:
            try bed.grow(toBytes: size?.bytes)
        case .detach:
            try bed.detach()
            return
        }
        let status = try bed.status()
        if global.json {
            try session.output.print(status.json)
            return
        }
        for (key, value) in status.facts {
            try session.output.print("\(key): \(value)")
        }
    }
}

extension BedStatus {
    /// For a person.
    var facts: [(String, String)] {
        var facts: [(String, String)] = [("bed", image.string)]
        if let device {
            let way =
                switch isDirect {
                case true?: " (direct)"
                case false?: " (through the page cache)"
                case nil: ""
                }
            facts.append(("bed device", device.string + way))
        } else {
            facts.append(("bed device", "not attached here"))
        }
        facts.append(("bed size", humanBytes(size)))
        if let filesystemBytes, let availableBytes {
            facts.append(
                (
                    "bed available",
                    "\(humanBytes(availableBytes)) of \(humanBytes(filesystemBytes))"
                ))
        }
        return facts + [
            ("bed allocated", "\(humanBytes(allocatedBytes)) on \(hostFilesystem)"),
            ("available below the bed", humanBytes(hostAvailableBytes)),
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
