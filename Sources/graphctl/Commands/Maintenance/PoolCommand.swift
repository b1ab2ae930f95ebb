// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphDeviceMapper

struct PoolCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "pool",
        abstract: "Shows, grows or stops the thin pool of a store of driver devicemapper.")

    enum Action: String, CaseIterable, ExpressibleByArgument {
        case status, grow, stop
    }

    @Argument(
        help: ArgumentHelp(
            "What to do: show how full it is; take what its devices have grown by; take it out of the kernel, until the store is opened again.",
            valueName: "status|grow|stop"))
    var action: Action

    @Option(
        help: ArgumentHelp(
            "The new size of the data file of a pool on files, for grow.", valueName: "bytes"),
        transform: ByteCount.init(parsing:))
    var dataSize: ByteCount?

    @Option(
        help: ArgumentHelp(
            "The new size of its metadata file, for grow.", valueName: "bytes"),
        transform: ByteCount.init(parsing:))
    var metadataSize: ByteCount?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "pool \(action.rawValue)" }

    func validate() throws {
        if action != .grow && (dataSize != nil || metadataSize != nil) {
            throw ValidationError("sizes are for pool grow")
        }
    }

    func run(_ session: Session) throws(DriverError) {
        let pool = try PoolControl(root: try global.settings.rootPath())
        switch action {
        case .status: break
        case .grow:
            try pool.grow(dataBytes: dataSize?.bytes, metadataBytes: metadataSize?.bytes)
        case .stop:
            try pool.stop()
            return
        }
        let status = try pool.status()
        let metadataBlockBytes: UInt64 = 4_096
        if global.json {
            try session.output.print([
                "name": .string(pool.name), "mode": .string(status.mode),
                "on_files": .bool(pool.isOnFiles), "needs_check": .bool(status.needsCheck),
                "transaction": JSON(status.transaction),
                "data_used": JSON(status.dataBlocksUsed * status.blockBytes),
                "data_size": JSON(status.dataBlocks * status.blockBytes),
                "metadata_used": JSON(status.metadataBlocksUsed * metadataBlockBytes),
                "metadata_size": JSON(status.metadataBlocks * metadataBlockBytes),
                "block_size": JSON(status.blockBytes),
            ])
            return
        }
        func part(_ used: UInt64, _ all: UInt64, _ bytes: UInt64) -> String {
            let percent = all == 0 ? 0 : used * 100 / all
            return "\(humanBytes(used * bytes)) of \(humanBytes(all * bytes)), \(percent)%"
        }
        let facts = [
            ("pool", pool.name), ("on files", pool.isOnFiles ? "yes, for trying out only" : "no"),
            ("mode", status.mode), ("needs check", status.needsCheck ? "yes" : "no"),
            ("transaction", String(status.transaction)),
            ("data", part(status.dataBlocksUsed, status.dataBlocks, status.blockBytes)),
            (
                "metadata",
                part(status.metadataBlocksUsed, status.metadataBlocks, metadataBlockBytes)
            ),
            ("block", humanBytes(status.blockBytes)),
        ]
        for (key, value) in facts { try session.output.print("\(key): \(value)") }
    }
}
