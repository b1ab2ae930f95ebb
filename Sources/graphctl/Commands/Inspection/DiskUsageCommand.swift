// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore

struct DiskUsageCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "df", abstract: "Shows the space of all layers and of their filesystem.")

    @Flag(help: "Measure the active layers, too, of which nothing is recorded.")
    var live = false

    @Flag(name: .customLong("no-trunc"), help: "Do not shorten ids that are digests.")
    var isWhole = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "df" }

    func run(_ session: Session) throws(DriverError) {
        let usage = try session.store().diskUsage(
            measuringActive: live, observer: session.stopper)
        if global.json {
            try session.output.print(Self.json(usage))
            return
        }
        var table = Table(
            ["ID", "KIND", "CHILDREN", "BYTES", "INODES", "SIZE"], right: [2, 3, 4, 5])
        for entry in usage.layers {
            table.add(
                shortID(entry.id, whole: isWhole), entry.kind.rawValue,
                String(entry.children), entry.usage.map { String($0.bytes) } ?? "-",
                entry.usage.map { String($0.inodes) } ?? "-",
                entry.usage.map { humanBytes($0.bytes) } ?? "-")
        }
        table.add(
            live ? "all layers" : "recorded", "", "", String(usage.used.bytes),
            String(usage.used.inodes),
            humanBytes(usage.used.bytes))
        table.add(
            "filesystem", "", "", String(usage.filesystemBytes),
            usage.filesystemInodes == 0 ? "-" : String(usage.filesystemInodes),
            humanBytes(usage.filesystemBytes))
        table.add(
            "available", "", "", String(usage.availableBytes),
            usage.filesystemInodes == 0 ? "-" : String(usage.freeInodes),
            humanBytes(usage.availableBytes))
        try session.output.print(table)
    }

    private static func json(_ usage: DiskUsage) -> JSON {
        [
            "layers": JSON(usage.layers) { entry in
                [
                    "id": .string(entry.id), "kind": .string(entry.kind.rawValue),
                    "children": JSON(entry.children),
                    "usage": entry.usage.map(\.json) ?? .null,
                ]
            },
            "used": usage.used.json,
            "filesystem": [
                "bytes": JSON(usage.filesystemBytes),
                "available_bytes": JSON(usage.availableBytes),
                "inodes": JSON(usage.filesystemInodes),
                "free_inodes": JSON(usage.freeInodes),
            ],
        ]
    }
}
