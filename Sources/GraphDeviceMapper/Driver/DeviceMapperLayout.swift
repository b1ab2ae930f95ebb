// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// Where the devicemapper driver keeps what.
///
/// ```
/// ROOT/devicemapper/pool/settings     what the pool and its filesystems are, made once
/// ROOT/devicemapper/pool/transaction  the last change that the pool was told to make
/// ROOT/devicemapper/pool/lock         held while the pool is told something
/// ROOT/devicemapper/pool/data         the files of a pool for trying out
/// ROOT/devicemapper/pool/metadata
/// ROOT/devicemapper/NUMBER/making     the volume's record while the pool may not have it yet
/// ROOT/devicemapper/NUMBER/volume     the same once the pool has it
/// ROOT/devicemapper/NUMBER/sealed     there is nothing to write any more
/// ```
/// In the filesystem of each volume, `root` is the layer's tree, and `stage` beside it a layer tar's
/// changes, from applyTarget to finishApply.
enum DeviceMapperLayout {
    static let driver = "devicemapper"
    static let pool = "pool"
    static let settings: RawPath = "settings"
    static let transaction: RawPath = "transaction"
    static let lock = "lock"
    static let data: RawPath = "data"
    static let metadata: RawPath = "metadata"
    static let making: RawPath = "making"
    static let volume: RawPath = "volume"
    static let sealed: RawPath = "sealed"

    /// The volume with the empty filesystem of which layers without a parent are snapshots; layers
    /// have numbers from 1 on.
    static let base: UInt32 = 0
    /// The pool's metadata have 24 bits for the number of a volume.
    static let numberMax: UInt32 = (1 << 24) - 1

    static func directory(_ root: FilePath) -> FilePath {
        root.appending(driver).appending(pool)
    }
}

/// Lines of `key=value`.
struct KeyedLines: Hashable, Sendable {
    var values: [String: String] = [:]

    init(_ values: [String: String]) { self.values = values }

    init(parsing bytes: [UInt8]) {
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
        }
    }

    var text: String {
        values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\n" }.joined()
    }
}

/// What is kept of a layer's volume.
struct VolumeRecord: Hashable, Sendable {
    let number: LayerNumber
    /// Of 512 bytes.
    let sectors: UInt64

    init(number: LayerNumber, sectors: UInt64) { (self.number, self.sectors) = (number, sectors) }

    /// Reads a record; nil when there is none in the directory.
    init?(in directory: Directory, _ name: RawPath) throws(SyscallError) {
        guard try directory.statusIfPresent(of: name) != nil else { return nil }
        let lines = KeyedLines(parsing: try directory.open(name, .readOnly).readAll(limit: 4_096))
        guard let number = lines.values["number"].flatMap({ LayerNumber($0) }),
            let sectors = lines.values["sectors"].flatMap({ UInt64($0) })
        else { throw SyscallError.damage("\(name)", "not the record of a volume") }
        self.init(number: number, sectors: sectors)
    }

    /// Writes the record and puts it on disk.
    func write(in directory: Directory, _ name: RawPath) throws(SyscallError) {
        let file = try directory.open(name, [.writeOnly, .create, .truncate], permissions: 0o600)
        try file.write(KeyedLines(["number": "\(number)", "sectors": "\(sectors)"]).text)
        try file.sync()
    }
}
