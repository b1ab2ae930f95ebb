// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// Settings of the devicemapper driver, under the names that moby and containers/storage gave them.
struct DeviceMapperOptions: Hashable, Sendable {
    /// What every mount of a layer forbids: `mountopt`.
    let attributes: MountAttributes
    /// Options of the filesystem for every mount: `dm.mountopt`.
    let mountOptions: [MountOption]
    /// The part of data and metadata, of 100, below which nothing is made: `dm.min_free_space`.
    let reservePercent: UInt64
    /// How large the files of a pool for trying out become by themselves: `dm.loopdatalimit`,
    /// `dm.loopmetadatalimit`; nil where they stay as they are.
    let dataBytesMax: UInt64?
    let metadataBytesMax: UInt64?
    /// Whether blocks are given back to what the pool lies on: `dm.blkdiscard`; nil for the pool's
    /// kind.
    let discards: Bool?
    /// What a new pool is to be; looked at where there is none.
    let pool: PoolSource
    let filesystem: String
    let baseBytes: UInt64
    /// Of the pool, in sectors of 512 bytes.
    let blockSectors: UInt64
    let mkfsArguments: [String]

    enum PoolSource: Hashable, Sendable {
        /// A pool of this name in /dev/mapper, made by somebody else.
        case existing(String)
        case devices(data: FilePath, metadata: FilePath)
        case files(dataBytes: UInt64, metadataBytes: UInt64)
    }

    private static let known = [
        "dm.basesize", "dm.blkdiscard", "dm.blocksize", "dm.datadev", "dm.fs", "dm.loopdatalimit",
        "dm.loopdatasize", "dm.loopmetadatalimit", "dm.loopmetadatasize", "dm.metadatadev",
        "dm.min_free_space", "dm.mkfsarg", "dm.mountopt", "dm.thinpooldev", "mountopt",
    ]

    /// Options that others have, and why they are not here.
    private static let refused = [
        "dm.use_deferred_removal": "devices always go away with their last user",
        "dm.use_deferred_deletion": "removed layers always wait in the trash until they are free",
        "dm.override_udev_sync_check":
            "udev is waited for where one runs, and DM_DISABLE_UDEV=1 says otherwise",
        "dm.directlvm_device": "pools of LVM are not used: its transaction ids are its own",
        "dm.libdm_log_level": "what libdevmapper says of a failure is in the error",
        "dm.xfs_nospace_max_retries": "xfs waits a minute for room in the pool",
    ]

    init(_ options: DriverOptions) throws(DriverError) {
        let values = options.values
        for (key, reason) in Self.refused where values[key] != nil {
            throw Self.invalid("there is no option \(key): \(reason)")
        }
        try options.check(known: Self.known, driver: DeviceMapperLayout.driver)
        attributes = try options.mountAttributes(driver: DeviceMapperLayout.driver)
        mountOptions = (values["dm.mountopt"] ?? "").split(separator: ",").map { option in
            let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
            return MountOption(parts[0], parts.count > 1 ? parts[1] : nil)
        }
        reservePercent = try Self.percent(values["dm.min_free_space"] ?? "10%")
        dataBytesMax = try Self.limit("dm.loopdatalimit", values)
        metadataBytesMax = try Self.limit("dm.loopmetadatalimit", values)
        discards = try values["dm.blkdiscard"].map { (text) throws(DriverError) in
            guard let value = Bool(text) else {
                throw Self.invalid("dm.blkdiscard is true or false, not \(text)")
            }
            return value
        }
        filesystem = values["dm.fs"] ?? "ext4"
        if filesystem != "ext4" && filesystem != "xfs" {
            throw Self.invalid("dm.fs is ext4 or xfs, not \(filesystem)")
        }
        baseBytes = try Self.bytes("dm.basesize", values, otherwise: 10 << 30)
        // mkfs.xfs makes none that is smaller than 300 MiB.
        let baseMin: UInt64 = filesystem == "xfs" ? 300 << 20 : 16 << 20
        if baseBytes < baseMin || baseBytes % 65_536 != 0 {
            throw Self.invalid(
                "dm.basesize is at least \(baseMin) bytes for \(filesystem), and whole 64K")
        }
        let block = try Self.bytes("dm.blocksize", values, otherwise: 64 << 10)
        if block < 64 << 10 || block > 1 << 30 || block % (64 << 10) != 0 {
            throw Self.invalid("dm.blocksize is a multiple of 64K, at most 1G")
        }
        blockSectors = block / 512
        mkfsArguments = (values["dm.mkfsarg"] ?? "").split(separator: " ").map(String.init)
        pool = try Self.source(values, block)
    }

    private static func source(
        _ values: [String: String], _ block: UInt64
    ) throws(DriverError) -> PoolSource {
        let (data, metadata) = (values["dm.datadev"], values["dm.metadatadev"])
        if let text = values["dm.thinpooldev"] {
            if data != nil || metadata != nil {
                throw invalid("dm.thinpooldev is a pool; dm.datadev and dm.metadatadev make one")
            }
            let prefix = "/dev/mapper/"
            return .existing(text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text)
        }
        if let data, let metadata {
            return .devices(data: FilePath(data), metadata: FilePath(metadata))
        }
        if data != nil || metadata != nil {
            throw invalid("dm.datadev and dm.metadatadev are needed both")
        }
        let dataBytes = try bytes("dm.loopdatasize", values, otherwise: 100 << 30)
        let metadataBytes = try bytes("dm.loopmetadatasize", values, otherwise: 2 << 30)
        if metadataBytes < 2 << 20 || dataBytes < 16 * block {
            throw invalid("dm.loopmetadatasize is at least 2M, dm.loopdatasize 16 blocks")
        }
        return .files(
            dataBytes: dataBytes / block * block, metadataBytes: metadataBytes / 4_096 * 4_096)
    }

    /// How large a file may become; only a pool on files has any.
    private static func limit(
        _ key: String, _ values: [String: String]
    ) throws(DriverError) -> UInt64? {
        if values[key] == nil { return nil }
        if values["dm.thinpooldev"] != nil || values["dm.datadev"] != nil {
            throw invalid("\(key) is for a pool on files")
        }
        return try bytes(key, values, otherwise: 0)
    }

    private static func percent(_ text: String) throws(DriverError) -> UInt64 {
        let digits = text.last == "%" ? text.dropLast() : text[...]
        if let number = UInt64(digits), number < 100 { return number }
        throw invalid("dm.min_free_space is a percentage below 100, such as 10%, not \(text)")
    }

    /// Reads a number of bytes: digits, perhaps with K, M, G or T for powers of 1024.
    private static func bytes(
        _ key: String, _ values: [String: String], otherwise: UInt64
    ) throws(DriverError) -> UInt64 {
        guard let text = values[key] else { return otherwise }
        if let bytes = PoolSize(text) { return bytes.bytes }
        throw invalid("\(key) is a number of bytes, such as 1048576 or 10G, not \(text)")
    }

    private static func invalid(_ message: String) -> DriverError {
        DriverError(.invalidArgument, "driver \(DeviceMapperLayout.driver): \(message)")
    }
}

/// A number of bytes as people write it.
struct PoolSize: Hashable, Sendable {
    let bytes: UInt64

    /// Reads digits, perhaps with K, M, G or T for powers of 1024; nil for anything else.
    init?(_ text: String) {
        let powers: [Character: UInt64] = ["k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40]
        let factor = text.lowercased().last.flatMap { powers[$0] }
        let digits = factor == nil ? text[...] : text.dropLast()
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }),
            let number = UInt64(digits)
        else { return nil }
        let (bytes, isTooMuch) = number.multipliedReportingOverflow(by: factor ?? 1)
        if isTooMuch { return nil }
        self.bytes = bytes
    }
}
