// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSQLite
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
///
/// Unmounting works when RUN-ROOT has neither a block nor an inode left: log, index and a few pages have
/// their blocks from the beginning, and the log is begun anew before it has used them up.
final class MountTable: Sendable {
    private let queue: DatabaseQueue
    private let store: String
    private let path: FilePath
    /// Whether nobody else can open the table while this one is open; see ``connect(_:alone:seconds:)``.
    let isAlone: Bool

    /// Opens the records, and makes them where there are none.
    convenience init(_ path: FilePath, lock: FilePath, store: String) throws(DriverError) {
        let isMissing = try attempting("look for \(path)", try Self.isMissing(path))
        if isMissing { try Self.make(path, lock: lock) }
        try self.init(opening: path, store)
    }

    /// Opens the records that are there, which needs no room for anything.
    init(opening path: FilePath, _ store: String) throws(DriverError) {
        (self.path, self.store) = (path, store)
        (queue, isAlone) = try Self.open(path)
        try databaseErrors("make the records of mounts", path) {
            try queue.inDatabase { try Self.makeTables($0, path) }
        }
    }

    private static func open(_ path: FilePath) throws(DriverError) -> (DatabaseQueue, Bool) {
        if try !lacksRoom(path) {
            do throws(DriverError) {
                return (try connect(path, alone: false, seconds: waitSeconds), false)
            } catch  where error.code == .noSpace {
                // Somebody was quicker to take what was there.
            }
        }
        var tries = 0
        while true {
            do throws(DriverError) {
                return (try connect(path, alone: true, seconds: 0), true)
            } catch  where error.isOfBusyDatabase {}
            do throws(DriverError) {
                // Whoever has the table open has its index, too.
                return (try connect(path, alone: false, seconds: 0), false)
            } catch  where error.isOfBusyDatabase && tries < 100 * waitSeconds {
                // Somebody is alone with it, for the time of an operation.
                tries += 1
                Pause.milliseconds(10)
            }
        }
    }

    private static let waitSeconds = 60

    /// Whether the index of the log may find no room.
    ///
    /// SQLite maps it into memory and writes a byte for each page: where blocks are smaller than pages,
    /// or are written anew with each change, the rest has no room on a full filesystem, and the kernel
    /// ends the process (`SIGBUS`).
    private static func lacksRoom(_ path: FilePath) throws(DriverError) -> Bool {
        let room = try attempting(
            "look at \(path)",
            try OwnedDescriptor.open(path, .path).filesystem())
        return room.availableBytes < 1 << 20 || room.blockBytes < 4096 || room.typeName == "btrfs"
    }

    /// Opens the table, and waits so many seconds for others.
    ///
    /// The first process cuts the index of the log and writes it anew, for which a full filesystem may
    /// have no room: one that is `alone` has it in its own memory. Nobody else has the table open at
    /// that moment, nor can while it is open.
    private static func connect(
        _ path: FilePath, alone: Bool, seconds: Int
    ) throws(DriverError) -> DatabaseQueue {
        try databaseErrors("open the records of mounts", path) {
            var configuration = Configuration()
            configuration.busyMode = .timeout(Double(seconds))
            configuration.keepsLog = true
            configuration.prepareDatabase { (database) throws(DatabaseError) in
                if alone { try database.execute(sql: "PRAGMA locking_mode = EXCLUSIVE") }
                try database.execute(sql: "PRAGMA synchronous = OFF")
            }
            let queue = try DatabaseQueue(path: path.string, configuration: configuration)
            try queue.inDatabase { $0.wait(seconds: waitSeconds) }
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

    private func delete(_ record: MountRecord) throws(DriverError) {
        try run(
            "DELETE FROM mounts WHERE store = ? AND layer = ? AND target = ? AND namespace = ?",
            [
                store, record.layer.rawValue, record.target.string,
                Int64(bitPattern: record.namespace),
            ])
    }

    /// Forgets a place where nothing is mounted any more.
    ///
    /// Where there is no room for that the record stays: it is void with its mount, and whoever finds
    /// it next forgets it.
    func forget(_ record: MountRecord) throws(DriverError) {
        do throws(DriverError) {
            try delete(record)
        } catch  where error.code == .noSpace {}
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
                    let (mountID, previousID): (Int64?, Int64?) = try (row[4], row[5])
                    return MountRecord(
                        layer: LayerNumber(rawValue: try row[0]),
                        target: FilePath(try row[1] as String),
                        namespace: UInt64(bitPattern: try row[2] as Int64), count: try row[3],
                        mountID: mountID.map { UInt64(bitPattern: $0) },
                        previousID: previousID.map { UInt64(bitPattern: $0) }, stacked: try row[6],
                        ownsTarget: try row[7])
                }
            }
        }
    }

    private func run(_ sql: String, _ arguments: StatementArguments) throws(DriverError) {
        try databaseErrors("write the records of mounts", path) {
            try queue.inDatabase { database in
                try database.cachedStatement(sql: sql).execute(arguments: arguments)
                try? database.recycleLog(atPages: Self.logFramesMax)
            }
        }
    }
}
