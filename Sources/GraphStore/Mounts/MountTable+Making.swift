// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSQLite
import GraphSystem
import SystemPackage

extension MountTable {
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

    /// How many pages the log has when it is copied into the table, to be begun anew.
    static let logFramesMax = 8
    /// What the log has blocks for: that, and the pages that two changes touch.
    private static let logBytes = 65_536
    /// The index of the log; SQLite makes it of this size.
    private static let indexBytes = 32_768
    /// Pages of the table that wait to be used.
    private static let spareBytes = 32_768

    /// Whether there is no table, or an empty file for which there was no room.
    static func isMissing(_ path: FilePath) throws(SyscallError) -> Bool {
        do throws(SyscallError) {
            return try FileStatus(of: path).size == 0
        } catch  where error.errno == .noSuchFileOrDirectory {
            return true
        }
    }

    /// Makes a table with all the space that it needs later; it gets its name when it is whole.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/noSpace``, and nothing is left then.
    static func make(_ path: FilePath, lock: FilePath) throws(DriverError) {
        let byte = Int64(1 << 61)
        let lock = try attempting("lock \(lock)", try RangeLock(waitingFor: byte, in: lock))
        defer { withExtendedLifetime(lock) {} }
        if try !attempting("look for \(path)", try isMissing(path)) { return }
        let directory = try attempting(
            "open \(path.removingLastComponent())",
            try Directory(opening: path.removingLastComponent()))
        let name = path.lastComponentName
        let begun = name + ".new"
        let suffixes = ["", "-journal", "-wal", "-shm"]
        let parts = suffixes.map { RawPath(begun + $0) }
        for part in parts { try? directory.removeFile(part) }
        do throws(DriverError) {
            try makeDatabase(path.removingLastComponent().appending(begun))
            try attempting(
                "make the records of mounts",
                try { () throws(SyscallError) in
                    try fill(RawPath(name + "-wal"), logBytes, in: directory)
                    try fill(RawPath(name + "-shm"), indexBytes, in: directory)
                    try directory.rename(RawPath(begun), to: RawPath(name), in: directory)
                }())
        } catch {
            let made = parts + ["-wal", "-shm"].map { RawPath(name + $0) }
            for part in made { try? directory.removeFile(part) }
            throw error.code == .noSpace
                ? DriverError(noSpace: error.message, at: path, cause: error.cause) : error
        }
    }

    private static func makeDatabase(_ path: FilePath) throws(DriverError) {
        try databaseErrors("make the records of mounts", path) {
            let queue = try DatabaseQueue(path: path.string)
            try queue.inDatabase { database in
                // Nobody else knows this file, and what is cut off is made again.
                try database.execute(sql: "PRAGMA journal_mode = OFF")
                try database.execute(sql: "PRAGMA synchronous = OFF")
                try makeTables(database, path)
                try database.execute(sql: "CREATE TABLE spare (bytes BLOB)")
                try database.execute(sql: "INSERT INTO spare VALUES (zeroblob(\(spareBytes)))")
                try database.execute(sql: "DROP TABLE spare")
                try database.execute(sql: "PRAGMA journal_mode = WAL")
            }
            try queue.close()
        }
    }

    /// Makes a file of zeros, which SQLite takes for an empty log and an index to be made.
    private static func fill(
        _ name: RawPath, _ count: Int, in directory: Directory
    ) throws(SyscallError) {
        let file = try directory.open(name, [.writeOnly, .create], permissions: 0o600)
        let zeros = [UInt8](repeating: 0, count: count)
        try file.write(zeros.span, at: 0)
    }

    /// Makes the tables where there are none.
    static func makeTables(_ database: Database, _ path: FilePath) throws {
        func known() throws -> Int {
            try Int.fetchOne(database.cachedStatement(sql: "PRAGMA user_version")) ?? 0
        }
        if try known() == version { return }
        if try known() > version {
            throw DriverError(
                .unsupported, "\(path) was made by a newer version of this software")
        }
        try database.inTransaction(.immediate) {
            // Somebody else may have been quicker.
            if try known() == 0 {
                for statement in statements { try database.execute(sql: statement) }
                try database.execute(sql: "PRAGMA user_version = \(version)")
            }
            return .commit
        }
    }
}

/// The table that a store has open.
struct OpenMountTable {
    private var kept: MountTable?
    /// One that others wait for is closed when nobody uses it.
    private weak var inUse: MountTable?

    /// The table, while it is open.
    var table: MountTable? { kept ?? inUse }

    /// Takes a table that was opened.
    mutating func keep(_ table: MountTable) {
        if table.isAlone { inUse = table } else { kept = table }
    }
}
