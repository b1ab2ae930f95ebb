// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSQLite
import GraphSystem
import Synchronization
import SystemPackage

/// The connections to `graph.db`.
///
/// Readers never wait for writers: they have a connection of their own, and the journal is a
/// write-ahead log. The reading connection is opened first and closed last; since it may not write,
/// SQLite does not copy the log into the database when it closes, which would cost every short
/// process two syncs of the disk. Whoever commits the log's 128th page copies it instead, and begins it
/// again; the first of several processes has no more than that to read again.
final class StoreDatabase: Sendable {
    /// What is on disk when a transaction returns.
    enum Synchronization: String {
        /// Nothing yet; the order of transactions holds. For what may be lost in a power cut.
        case ordered = "NORMAL"
        /// This transaction and all before it.
        case onDisk = "FULL"

        /// How many pages the log has when a commit copies it: mostly one after which the file is
        /// marked anew, see ``RecordMark``.
        var checkpointPages: Int { self == .onDisk ? 128 : 1_024 }
    }

    /// How the files may be used.
    enum Access {
        case readWrite
        /// Reads only, beside writers that may come and go.
        case readOnly
        /// Reads only, from a filesystem where nobody can write and no log waits to be read.
        case immutable
        /// Reads only, with the log, where its index is missing and cannot be made: a copy that
        /// nobody works on.
        case copy
    }

    private struct Writer {
        let queue: DatabaseQueue
        var synchronization: Synchronization
    }

    let path: FilePath
    private let reader: DatabaseQueue
    private let writer: Mutex<Writer?>
    private let isReadOnly: Bool
    private let mark = Mutex<RecordMark?>(nil)

    /// Opens an existing database.
    init(
        _ path: FilePath, in directory: Directory, _ access: Access
    ) throws(DriverError) {
        self.path = path
        isReadOnly = access != .readWrite
        writer = Mutex(nil)
        var configuration = Self.configuration
        configuration.readonly = true
        configuration.isURI = access != .readWrite
        let location =
            switch access {
            case .readWrite: path.string
            // Without this SQLite writes into the log's index even when it only reads.
            case .readOnly: Self.uri(path, "readonly_shm=1")
            case .immutable: Self.uri(path, "immutable=1")
            // Without locks, which nobody would see, SQLite keeps the index in its own memory.
            case .copy: Self.uri(path, "vfs=unix-none&mode=ro")
            }
        if access == .copy {
            configuration.prepareDatabase { (database) throws(DatabaseError) in
                try database.execute(sql: "PRAGMA locking_mode = EXCLUSIVE")
            }
        }
        let final = configuration
        if access == .readWrite { Self.makeIndex(path, in: directory) }
        reader = try databaseErrors("open the store's database", path) {
            try DatabaseQueue(path: location, configuration: final)
        }
    }

    /// Makes the index of the log, which SQLite makes otherwise, so that btrfs writes it in place.
    ///
    /// SQLite has it mapped into memory: where a full btrfs finds no room for a copy of a changed page,
    /// the kernel ends the process (`SIGBUS`). Nobody misses checksums of it, since it is made again
    /// of the log. Only made, never opened: closing it would release the locks that this process's
    /// other connections hold.
    private static func makeIndex(_ path: FilePath, in directory: Directory) {
        do throws(SyscallError) {
            if try directory.descriptor.filesystem().typeName != "btrfs" { return }
            let name = RawPath(path.lastComponentName + "-shm")
            let file = try directory.open(
                name, [.readWrite, .create, .exclusive], permissions: 0o600)
            try InodeFlags.disableCopyOnWrite(of: file)
        } catch {
            // It is there, or SQLite makes it as it can.
        }
    }

    deinit {
        // The order matters, see above.
        writer.withLock { $0 = nil }
    }

    /// Makes a new database, which appears under its name when it is whole.
    ///
    /// Whoever dies on the way leaves nothing that looks like a database: a journal half rolled back
    /// would stop those who come to read. `fill` writes the first records, in the transaction that
    /// makes the tables. One process at a time.
    static func create(
        _ path: FilePath, fill: (Database) throws -> Void
    ) throws(DriverError) {
        let begun = "graph.db.new"
        let directory = try attempting(
            "open \(path)", try Directory(opening: path.removingLastComponent()))
        for suffix in ["", "-journal", "-wal", "-shm"] {
            let name = RawPath(begun + suffix)
            if try attempting("look for \(name)", try directory.statusIfPresent(of: name)) != nil {
                try attempting("remove \(name)", try directory.removeFile(name))
            }
        }
        try migrate(path.removingLastComponent().appending(begun), fill: fill)
        try attempting(
            "name the store's database",
            try directory.rename(RawPath(begun), to: "graph.db", in: directory))
    }

    /// Brings a database up to this version's format.
    static func migrate(
        _ path: FilePath, fill: (Database) throws -> Void
    ) throws(DriverError) {
        try databaseErrors("make the store's database", path) {
            let queue = try DatabaseQueue(path: path.string, configuration: configuration)
            try queue.inDatabase { database in
                try database.execute(sql: "PRAGMA journal_mode = WAL")
                try database.execute(sql: "PRAGMA synchronous = FULL")
                try database.execute(sql: "PRAGMA application_id = \(Schema.applicationID)")
                try database.inTransaction(.immediate) {
                    let version = try Schema.version(database)
                    try Schema.migrate(database, from: version)
                    if version > 0 && version < Schema.migrations.count {
                        _ = try CatalogWriter(database).count()
                    }
                    try fill(database)
                    return .commit
                }
            }
            try queue.close()
        }
    }

    /// Reads; what several statements see is one state of the store only inside
    /// ``consistent(_:_:)``.
    func read<Value>(
        _ action: @autoclosure () -> String, _ body: (Database) throws -> Value
    ) throws(DriverError) -> Value {
        try databaseErrors(action(), path) { try reader.inDatabase(body) }
    }

    /// Reads with several statements, all of which see the same state of the store.
    func consistent<Value>(
        _ action: @autoclosure () -> String, _ body: (Database) throws -> Value
    ) throws(DriverError) -> Value {
        try databaseErrors(action(), path) { try reader.read(body) }
    }

    /// Writes, in one transaction that is undone when `body` throws.
    func write<Value>(
        _ action: @autoclosure () -> String, _ synchronization: Synchronization,
        _ body: (Database) throws -> Value
    ) throws(DriverError) -> Value {
        if isReadOnly {
            throw DriverError(.storeReadOnly, "could not \(action()): the store is read-only")
        }
        return try databaseErrors(action(), path) {
            let queue = try openWriter()
            return try queue.inDatabase { database in
                try switchTo(synchronization, database)
                var result: Value?
                var changes: UInt64 = 0
                try database.inTransaction(.immediate) {
                    result = try body(database)
                    changes = try CatalogWriter(database).count()
                    return .commit
                }
                // What was committed stays so, whatever becomes of the log.
                try? database.recycleLog(atPages: synchronization.checkpointPages)
                if synchronization == .onDisk { mark.withLock { $0 }?.write(changes: changes) }
                guard let result else { throw DatabaseError(resultCode: .abort) }
                return result
            }
        }
    }

    /// Marks from now on, beside the records, what has been put on disk.
    func keep(_ mark: RecordMark) { self.mark.withLock { $0 = mark } }

    /// Marks how many changes the records have and which file they are in, without one.
    func markAsIs(_ changes: UInt64) { mark.withLock { $0 }?.write(changes: changes) }

    /// Copies the log into the database, so that the next transaction is written over it.
    ///
    /// Both files have their blocks already. Where it fails, or a reader needs the log, it goes on to
    /// grow.
    func recycleLog() {
        try? openWriter().inDatabase { database in
            try database.execute(sql: "PRAGMA wal_checkpoint(RESTART)")
        }
    }

    private func openWriter() throws -> DatabaseQueue {
        try writer.withLock { writer in
            if let writer { return writer.queue }
            let queue = try DatabaseQueue(path: path.string, configuration: Self.configuration)
            writer = Writer(queue: queue, synchronization: .onDisk)
            return queue
        }
    }

    /// Called on the writer's own queue, so that nobody switches in between.
    private func switchTo(_ synchronization: Synchronization, _ database: Database) throws {
        let isSet = writer.withLock { $0?.synchronization == synchronization }
        if isSet { return }
        try database.execute(sql: "PRAGMA synchronous = \(synchronization.rawValue)")
        writer.withLock { $0?.synchronization = synchronization }
    }

    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.busyMode = .timeout(60)
        return configuration
    }

    /// A path with SQLite's own options behind it.
    private static func uri(_ path: FilePath, _ option: String) -> String {
        let plain = Set("/-_.~".utf8)
        var text = "file:"
        for byte in path.string.utf8 {
            let character = Character(Unicode.Scalar(byte))
            if plain.contains(byte)
                || (character.isASCII && (character.isLetter || character.isNumber))
            {
                text.append(character)
            } else {
                text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return text + "?" + option
    }
}

/// Works on a database, and turns its errors into the store's.
func databaseErrors<Value>(
    _ action: @autoclosure () -> String, _ path: FilePath, _ body: () throws -> Value
) throws(DriverError) -> Value {
    do {
        return try body()
    } catch let error as DriverError
        where error.code == .storeDamaged && !error.message.contains(path.lastComponentName)
    {
        throw DriverError(damaged: path, "could not \(action())", error.message)
    } catch let error as DriverError {
        throw error
    } catch let error as DatabaseError {
        throw DriverError(action(), error, path)
    } catch let error as SyscallError {
        throw DriverError(action(), error)
    } catch {
        throw DriverError(.system, "could not \(action()): \(error)")
    }
}

extension DriverError {
    private static let busyCall = "lock the database"

    /// Whether another process has a database locked.
    var isOfBusyDatabase: Bool { cause?.call == Self.busyCall }

    /// Describes a failure of SQLite.
    init(_ action: String, _ error: DatabaseError, _ path: FilePath) {
        let text = "could not \(action)"
        let reason = error.message ?? "SQLite error \(error.extendedResultCode.rawValue)"
        switch error.resultCode {
        case .constraint where error.extendedResultCode == .uniqueConstraint:
            // The only such column that statements do not foresee is the id of a layer.
            self.init(.layerExists, "\(text): there is a layer with this id already")
        case .full:
            self.init(noSpace: "\(text): no space left for \(path.lastComponentName)", at: path)
        case .readOnly:
            self.init(.storeReadOnly, "\(text): \(path) cannot be written")
        case .corrupt, .notDatabase, .error:
            // Statements are constant: one that makes no sense to SQLite does not fit the tables.
            self.init(damaged: path, text, reason)
        case .busy, .locked:
            self.init(
                .system, "\(text): another process has been changing \(path) for over a minute",
                cause: SyscallError(call: Self.busyCall, errno: .resourceTemporarilyUnavailable))
        case .cannotOpen, .inputOutput:
            let errno = Errno(rawValue: error.systemErrno)
            if errno == .tooManyOpenFiles || errno == .tooManyOpenFilesInSystem {
                self.init(
                    .system, text, cause: SyscallError(call: "open(\(path))", errno: errno))
            } else if Self.filesystem(of: path)?.isReadOnly == true {
                self.init(.storeReadOnly, "\(text): \(path) is on a read-only filesystem")
            } else if Self.lacksSpace(beside: path) {
                self.init(noSpace: "\(text): no space left for \(path)", at: path)
            } else {
                self.init(.system, "\(text): \(path): \(reason)")
            }
        default:
            self.init(.system, "\(text): \(path): \(reason)")
        }
    }

    /// Describes records that make no sense, and says what to do.
    init(damaged path: FilePath, _ text: String, _ reason: String) {
        let remedy =
            path.lastComponentName == "graph.db"
            ? "put graph.db and graph.db-wal back from one copy"
            : "unmount what is mounted below its directory, and remove it"
        self.init(.storeDamaged, "\(text): \(path): \(reason); \(remedy)")
    }

    /// Describes a lack of space, and asks the filesystem of what.
    init(noSpace message: String, at path: FilePath, cause: SyscallError? = nil) {
        let filesystem = Self.filesystem(of: path)
        let isOfInodes = filesystem.map { $0.totalInodes > 0 && $0.freeInodes == 0 } ?? false
        self.init(.noSpace, message, cause: cause, resource: isOfInodes ? .inodes : .bytes)
    }

    private static func filesystem(of path: FilePath) -> FilesystemStatus? {
        try? OwnedDescriptor.open(path.removingLastComponent(), [.readOnly, .directory])
            .filesystem()
    }

    /// Whether there is no room for a file as large as the index of SQLite's log.
    ///
    /// Tried, because SQLite does not tell the kernel's reason, and what a filesystem says of its
    /// space is not always what it gives: btrfs counts what it wants to keep for its own tables.
    private static func lacksSpace(beside path: FilePath) -> Bool {
        do throws(SyscallError) {
            let file = try OwnedDescriptor.temporary(in: path.removingLastComponent())
            try file.write([UInt8](repeating: 1, count: 65_536).span, at: 0)
            return false
        } catch {
            return error.errno == .noSpace || error.errno == .diskQuotaExceeded
        }
    }
}

extension FilePath {
    /// The last name, as text.
    var lastComponentName: String { lastComponent?.string ?? string }
}
