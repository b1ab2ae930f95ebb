// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// What a store's pool is: decided when the store is made, and the same ever after, whatever the
/// options are later.
struct PoolSettings: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case existing(name: String)
        case devices(data: String, metadata: String)
        case files
    }

    let kind: Kind
    /// What the names of this store's devices begin with after `graph-`; random, since a machine may
    /// have many stores.
    let token: String
    let blockSectors: UInt64
    let filesystem: String
    /// Of the volume with the empty filesystem.
    let baseSectors: UInt64
    /// Whether that volume has been made.
    var hasBase: Bool

    init(_ options: DeviceMapperOptions) {
        switch options.pool {
        case .existing(let name): kind = .existing(name: name)
        case .devices(let data, let metadata):
            kind = .devices(data: data.string, metadata: metadata.string)
        case .files: kind = .files
        }
        token = String(UInt64.random(in: 1 << 60 ... .max), radix: 16)
        (blockSectors, filesystem) = (options.blockSectors, options.filesystem)
        (baseSectors, hasBase) = (options.baseBytes / 512, false)
    }

    /// Reads the settings; nil when the directory has none.
    init?(in directory: Directory) throws(SyscallError) {
        let name = DeviceMapperLayout.settings
        guard try directory.statusIfPresent(of: name) != nil else { return nil }
        let file = try directory.open(name, .readOnly)
        let values = KeyedLines(parsing: try file.readAll(limit: 65_536)).values
        guard let token = values["token"], let filesystem = values["filesystem"],
            let block = values["block_sectors"].flatMap({ UInt64($0) }),
            let base = values["base_sectors"].flatMap({ UInt64($0) }), values["version"] == "1"
        else { throw SyscallError.damage("pool/settings", "not the settings of a pool") }
        switch (values["kind"], values["pool"], values["data"], values["metadata"]) {
        case ("pool", let pool?, _, _): kind = .existing(name: pool)
        case ("devices", _, let data?, let metadata?):
            kind = .devices(data: data, metadata: metadata)
        case ("files", _, _, _): kind = .files
        default: throw SyscallError.damage("pool/settings", "no kind of pool that is known")
        }
        (self.token, self.filesystem) = (token, filesystem)
        (blockSectors, baseSectors, hasBase) = (block, base, values["base"] == "made")
    }

    /// Replaces the settings in one step.
    func write(in directory: Directory) throws(SyscallError) {
        var lines = KeyedLines([
            "version": "1", "token": token, "filesystem": filesystem,
            "block_sectors": "\(blockSectors)", "base_sectors": "\(baseSectors)",
            "base": hasBase ? "made" : "missing",
        ])
        switch kind {
        case .existing(let name):
            lines.values["kind"] = "pool"
            lines.values["pool"] = name
        case .devices(let data, let metadata):
            lines.values["kind"] = "devices"
            (lines.values["data"], lines.values["metadata"]) = (data, metadata)
        case .files: lines.values["kind"] = "files"
        }
        let new: RawPath = "settings.new"
        let file = try directory.open(new, [.writeOnly, .create, .truncate], permissions: 0o600)
        try file.write(lines.text)
        try file.sync()
        try directory.rename(new, to: DeviceMapperLayout.settings, in: directory)
        try directory.sync()
    }

    /// The pool's name in device mapper.
    var poolName: String {
        if case .existing(let name) = kind { name } else { "\(prefix)pool" }
    }

    /// What the names of the store's devices begin with.
    var prefix: String { "graph-\(token)-" }

    /// The name of the device that is given out for a layer or a view.
    func deviceName(for holder: LayerNumber) -> String { "\(prefix)device-\(holder)" }

    /// The volume of a number, as a value.
    func volume(
        _ number: UInt32, pool: DeviceNumber, sectors: UInt64, options: [MountOption],
        readOnly: Bool, lock: FilePath
    ) -> ThinVolume {
        // Every snapshot has the UUID of the filesystem that it was made of; and who mounts a new
        // ext4 would have all its empty tables written, into each snapshot.
        let own = filesystem == "xfs" ? "nouuid" : "noinit_itable"
        return ThinVolume(
            name: "\(prefix)\(number)", uuid: "GRAPH-\(token)-\(number)", pool: pool, id: number,
            sectors: sectors, type: filesystem, options: [MountOption(own)] + options,
            isReadOnly: readOnly, lock: lock)
    }
}
