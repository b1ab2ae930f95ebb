// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore
import SystemPackage

struct InfoCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "Shows what the store is, and what its driver can do.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "info" }

    func run(_ session: Session) throws(DriverError) {
        let info = try session.store().info()
        if global.json {
            try session.output.print(Self.json(info))
            return
        }
        let capabilities = info.capabilities
        var facts: [(String, String)] = [
            ("store", info.storeID), ("root", info.root.string),
            ("run root", info.runRoot.string), ("format version", String(info.formatVersion)),
            ("read-only", Self.text(info.isReadOnly)), ("durability", info.durability.rawValue),
            ("filesystem", info.filesystem), ("driver", info.driver),
            ("depth limit", capabilities.depthMax.map(String.init) ?? "none"),
            ("native diff", Self.text(capabilities.hasNativeDiff)),
            ("quota", Self.text(capabilities.hasQuota)),
            ("reflink", Self.text(capabilities.hasReflink)),
        ]
        facts += capabilities.details.map { ($0.key, $0.value) }
        facts += [
            ("committed layers", String(info.committedLayers)),
            ("active layers", String(info.activeLayers)), ("views", String(info.views)),
            ("mounted layers", String(info.mountedLayers)),
        ]
        if let loopImage = info.loopImage { facts += loopImage.facts }
        facts += LibraryVersions.all().map { ("library \($0.name)", $0.version ?? "not installed") }
        facts += info.warnings.map { ("warning", $0) }
        for (key, value) in facts { try session.output.print("\(key): \(value)") }
    }

    private static func text(_ value: Bool) -> String { value ? "yes" : "no" }

    private static func json(_ info: StoreInfo) -> JSON {
        let capabilities = info.capabilities
        let details = capabilities.details.map { ($0.key, JSON.string($0.value)) }
        let libraries = LibraryVersions.all().map { library in
            (library.name, library.version.map { JSON.string($0) } ?? .null)
        }
        return [
            "store_id": .string(info.storeID), "root": .string(info.root.string),
            "run_root": .string(info.runRoot.string),
            "format_version": JSON(info.formatVersion), "read_only": .bool(info.isReadOnly),
            "durability": .string(info.durability.rawValue),
            "filesystem": .string(info.filesystem), "driver": .string(info.driver),
            "capabilities": [
                "depth_max": capabilities.depthMax.map { JSON($0) } ?? .null,
                "native_diff": .bool(capabilities.hasNativeDiff),
                "quota": .bool(capabilities.hasQuota),
                "reflink": .bool(capabilities.hasReflink),
                "details": .object(Dictionary(details, uniquingKeysWith: { $1 })),
            ],
            "layers": [
                "committed": JSON(info.committedLayers), "active": JSON(info.activeLayers),
                "view": JSON(info.views), "mounted": JSON(info.mountedLayers),
            ],
            "bed": info.loopImage?.json ?? .null,
            "libraries": .object(Dictionary(libraries, uniquingKeysWith: { $1 })),
            "warnings": JSON(info.warnings) { .string($0) },
        ]
    }
}
