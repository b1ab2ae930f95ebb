// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GRDB
import GraphCore
import GraphSystem
import SystemPackage

/// One place where a layer is, or is being, mounted.
struct MountRecord: Sendable {
    let layer: LayerNumber
    let target: FilePath
    /// The mount namespace: a mount is of no account in another one.
    let namespace: UInt64
    var count: Int
    /// The kernel's id of the mount; nil while it is being made.
    var mountID: UInt64?
    /// What was mounted at the target before, to tell after a death whether ours was made.
    let previousID: UInt64?
    /// How many mounts lie on each other here.
    var stacked: Int
    /// Whether the store made the mount point, and takes it away.
    let ownsTarget: Bool

    /// Whether this is a block device that was given out, and no mount: it is in no namespace.
    var isDevice: Bool { namespace == 0 }

    /// A block device that is about to be made for a layer.
    static func device(for layer: LayerNumber) -> MountRecord {
        MountRecord(
            layer: layer, target: "device", namespace: 0, count: 1, mountID: nil, previousID: nil,
            stacked: 0, ownsTarget: false)
    }
}

/// The records of mounts in RUN-ROOT, which a reboot ends.
///
/// Nothing is synced: after a reboot there are no mounts. The write-ahead log keeps the records
/// whole when a process dies while it writes them. Several stores may share one table.
final class MountTable: Sendable {
    private let queue: DatabaseQueue
    private let store: String
    private let path: FilePath

    private static let version = 1
    private static let statements = [
        """
        CREATE TABLE mounts (
            store TEXT NOT NULL,
            layer INTEGER NOT NULL,
            target TEXT NOT NULL,
            namespace INTEGER NOT NULL,
            count INTEGER NOT NULL,
            mount_id INTEGER,
            previous_id INTEGER,
            stacked INTEGER NOT NULL,
            owns_target INTEGER NOT NULL,
            PRIMARY KEY (store, layer, target, namespace)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX mounts_by_target ON mounts (target)",
    ]

    init(_ path: FilePath, store: String) throws(DriverError) {
        (self.path, self.store) = (path, store)
        queue = try databaseErrors("open the records of mounts", path) {
            var configuration = Configuration()
            configuration.busyMode = .timeout(60)
            let queue = try DatabaseQueue(path: path.string, configuration: configuration)
            try queue.inDatabase { database in
                try database.execute(sql: "PRAGMA synchronous = OFF")
                let known = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
                if known == Self.version { return }
                if known > Self.version {
                    throw DriverError(
                        .unsupported, "\(path) was made by a newer version of this software")
                }
                try database.execute(sql: "PRAGMA journal_mode = WAL")
                try database.inTransaction(.immediate) {
                    if try Int.fetchOne(database, sql: "PRAGMA user_version") == 0 {
                        for statement in Self.statements { try database.execute(sql: statement) }
                        try database.execute(sql: "PRAGMA user_version = \(Self.version)")
                    }
                    return .commit
                }
            }
            return queue
        }
    }

    /// The places of a layer.
    func records(of layer: LayerNumber) throws(DriverError) -> [MountRecord] {
        try records("WHERE store = ? AND layer = ? ORDER BY target", [store, layer.rawValue])
    }

    /// The layer of this store at a place.
    func record(
        at target: FilePath, in namespace: UInt64
    ) throws(DriverError) -> MountRecord? {
        try records(
            "WHERE target = ? AND namespace = ? AND store = ?",
            [target.string, Int64(bitPattern: namespace), store]
        ).first
    }

    /// The block devices of this store that are given out.
    func devices() throws(DriverError) -> [MountRecord] {
        try records("WHERE store = ? AND namespace = 0", [store])
    }

    /// All places of this store's layers.
    func all() throws(DriverError) -> [MountRecord] {
        try records("WHERE store = ? ORDER BY layer, target", [store])
    }

    /// Records a place, or changes its record.
    func put(_ record: MountRecord) throws(DriverError) {
        try run(
            """
            INSERT OR REPLACE INTO mounts
                (store, layer, target, namespace, count, mount_id, previous_id, stacked, owns_target)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                store, record.layer.rawValue, record.target.string,
                Int64(bitPattern: record.namespace), record.count,
                record.mountID.map { Int64(bitPattern: $0) },
                record.previousID.map { Int64(bitPattern: $0) }, record.stacked, record.ownsTarget,
            ])
    }

    /// Forgets a place.
    func delete(_ record: MountRecord) throws(DriverError) {
        try run(
            "DELETE FROM mounts WHERE store = ? AND layer = ? AND target = ? AND namespace = ?",
            [
                store, record.layer.rawValue, record.target.string,
                Int64(bitPattern: record.namespace),
            ])
    }

    /// Forgets all places of this store's layers.
    func clear() throws(DriverError) { try run("DELETE FROM mounts WHERE store = ?", [store]) }

    private func records(
        _ rest: String, _ arguments: StatementArguments
    ) throws(DriverError) -> [MountRecord] {
        try databaseErrors("read the records of mounts", path) {
            try queue.inDatabase { database in
                let statement = try database.cachedStatement(
                    sql: """
                        SELECT layer, target, namespace, count, mount_id, previous_id, stacked,
                            owns_target
                        FROM mounts \(rest)
                        """)
                return try Row.fetchAll(statement, arguments: arguments).map { row in
                    let (mountID, previousID): (Int64?, Int64?) = (row[4], row[5])
                    return MountRecord(
                        layer: LayerNumber(rawValue: row[0]), target: FilePath(row[1] as String),
                        namespace: UInt64(bitPattern: row[2] as Int64), count: row[3],
                        mountID: mountID.map { UInt64(bitPattern: $0) },
                        previousID: previousID.map { UInt64(bitPattern: $0) }, stacked: row[6],
                        ownsTarget: row[7])
                }
            }
        }
    }

    private func run(_ sql: String, _ arguments: StatementArguments) throws(DriverError) {
        try databaseErrors("write the records of mounts", path) {
            try queue.inDatabase { database in
                try database.cachedStatement(sql: sql).execute(arguments: arguments)
            }
        }
    }
}
