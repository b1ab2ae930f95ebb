// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSQLite
import GraphSystem
import SystemPackage

/// The steps from a configuration to an open store.
struct StoreOpening {
    private let configuration: LayerStore.Configuration
    private let drivers: [any Driver.Type]
    private var paths: StorePaths
    private var bed: Bed?
    private var driver: (any Driver)?
    private var storeID = ""
    private var database: StoreDatabase?
    private var isReadOnly: Bool

    init(_ configuration: LayerStore.Configuration, _ drivers: [any Driver.Type]) {
        (self.configuration, self.drivers) = (configuration, drivers)
        paths = StorePaths(root: configuration.root, runRoot: configuration.runRoot)
        isReadOnly = configuration.readOnly
    }

    /// Takes all steps.
    mutating func run(
        _ chooseDriver: (FilePath) throws(DriverError) -> any Driver.Type
    ) throws(DriverError) {
        if let name = configuration.driver { try checkBed(try type(named: name)) }
        try layBed()
        if let folder = try openRoot() {
            try decideAccess(folder)
            if try open(folder) { return }
        }
        try make(chooseDriver)
    }

    /// Goes to where the store is when it has a bed, which is made for a new store that wants one.
    private mutating func layBed() throws(DriverError) {
        if let wanted = configuration.bed {
            if isReadOnly {
                throw DriverError(.storeReadOnly, "a bed cannot be made for reading only")
            }
            try Bed.make(wanted, at: configuration.root)
        }
        guard let bed = try Bed.open(configuration.root) else { return }
        self.bed = bed
        paths = StorePaths(root: bed.path, runRoot: configuration.runRoot)
    }

    /// Refuses drivers that would not use a bed.
    private func checkBed(_ type: any Driver.Type) throws(DriverError) {
        if type.livesOnBed || configuration.bed == nil && bed == nil { return }
        throw DriverError(
            .unsupported, "driver \(type.name) cannot keep its layers on a bed, which is xfs")
    }

    /// What the steps led to.
    func result() throws(DriverError) -> (
        any Driver, String, StoreDatabase, StorePaths, Bed?, isReadOnly: Bool
    ) {
        guard let driver, let database else {
            throw DriverError(.system, "could not open the store at \(paths.root)")
        }
        return (driver, storeID, database, paths, bed, isReadOnly)
    }

    private func openRoot() throws(DriverError) -> Directory? {
        do throws(SyscallError) {
            return try Directory(opening: paths.root)
        } catch  where error.errno == .noSuchFileOrDirectory {
            return nil
        } catch {
            throw DriverError("open the store at \(paths.root)", error)
        }
    }

    private func status(
        of name: RawPath, in folder: Directory
    ) throws(DriverError) -> FileStatus? {
        try attempting("look at \(paths.root)", try folder.statusIfPresent(of: name))
    }

    /// Reads only when that was asked for, or when the files cannot be written.
    ///
    /// Tried on the lock file and never on the database: closing a descriptor of the database would
    /// release the locks that this process's other connections to it hold.
    private mutating func decideAccess(_ folder: Directory) throws(DriverError) {
        if isReadOnly { return }
        do throws(SyscallError) {
            _ = try folder.open("owners.lock", .readWrite)
        } catch  where error.errno == .noSuchFileOrDirectory {
            // Deleted, or not yet made: whoever locks it first makes it.
            isReadOnly = try attempting(
                "look at \(paths.root)", try folder.descriptor.filesystem().isReadOnly)
        } catch
            where [.readOnlyFileSystem, .permissionDenied, .notPermitted].contains(error.errno)
        {
            isReadOnly = true
        } catch {
            throw DriverError("open the store at \(paths.root)", error)
        }
    }

    /// Opens what is there.
    ///
    /// False when there is no store yet, or one that is being made, or whose maker died before it
    /// wrote the first record.
    private mutating func open(_ folder: Directory) throws(DriverError) -> Bool {
        guard let file = try status(of: "graph.db", in: folder), file.size > 0 else { return false }
        var access = StoreDatabase.Access.readWrite
        if isReadOnly {
            let log = try status(of: "graph.db-wal", in: folder)
            let filesystem = try attempting(
                "look at \(paths.root)", try folder.descriptor.filesystem())
            let hasLog = log.map { $0.size > 0 } ?? false
            access = !hasLog && filesystem.isReadOnly ? .immutable : .readOnly
        }
        let facts: Facts
        if isReadOnly {
            (database, facts) = try connect(access)
        } else {
            // SQLite wants a few blocks for the index of its log.
            (database, facts) = try Reserve(paths.reserve).using { () throws(DriverError) in
                try connect(access)
            }
        }
        if facts.isEmpty && !isReadOnly {
            self.database = nil
            return false
        }
        try check(facts)
        if configuration.bed != nil {
            throw DriverError(
                .invalidArgument,
                "there is a store at \(configuration.root) already; a bed is made for a new one")
        }
        storeID = facts.storeID ?? ""
        if facts.version < Schema.migrations.count {
            try StoreDatabase.migrate(paths.database) { _ in }
        }
        if let name = configuration.driver, name != facts.driver {
            throw DriverError(
                .driverMismatch,
                "the store at \(paths.root) belongs to driver \(facts.driver ?? "?"), not to \(name);"
                    + " leave the driver out, or use another root")
        }
        driver = try make(try type(named: facts.driver ?? ""))
        return true
    }

    /// What the database says about itself.
    private struct Facts {
        let version: Int
        /// There is not even a table.
        let isEmpty: Bool
        let storeID: String?
        let driver: String?
    }

    private func connect(
        _ access: StoreDatabase.Access
    ) throws(DriverError) -> (StoreDatabase, Facts) {
        let database = try StoreDatabase(paths.database, access)
        let facts = try database.read("read the store at \(paths.root)") { connection in
            let version = try Schema.version(connection)
            if version == 0 {
                return Facts(
                    version: 0, isEmpty: try Schema.isEmpty(connection), storeID: nil, driver: nil)
            }
            let queries = LayerQueries(connection)
            return Facts(
                version: version, isEmpty: false, storeID: try queries.fact("store_id"),
                driver: try queries.fact("driver"))
        }
        return (database, facts)
    }

    private func check(_ facts: Facts) throws(DriverError) {
        if facts.version > Schema.migrations.count {
            throw DriverError(
                .unsupported,
                "the store at \(paths.root) has format \(facts.version), and this version knows "
                    + "formats up to \(Schema.migrations.count): use the newer version that made it"
            )
        }
        if facts.version == 0 || facts.storeID == nil || facts.driver == nil {
            throw DriverError(.storeDamaged, "\(paths.database) is not the database of a store")
        }
    }

    /// Makes a new store; one process at a time.
    private mutating func make(
        _ chooseDriver: (FilePath) throws(DriverError) -> any Driver.Type
    ) throws(DriverError) {
        if isReadOnly {
            throw DriverError(
                .storeReadOnly, "there is no store at \(paths.root), and none may be made there")
        }
        try StorePaths.make(paths.root)
        let lock = try attempting(
            "lock \(paths.owners)", try RangeLock(waitingFor: Owner.creation, in: paths.owners))
        defer { withExtendedLifetime(lock) {} }
        guard let folder = try openRoot() else {
            throw DriverError(.system, "\(paths.root) went away while a store was made in it")
        }
        // Somebody else may have been quicker.
        if try open(folder) { return }
        let type =
            if let name = configuration.driver {
                try type(named: name)
            } else {
                try chooseDriver(paths.root)
            }
        try checkBed(type)
        let driver = try make(type)
        try StorePaths.make(paths.recipes)
        Reserve(paths.reserve).fill()
        let storeID = LayerID.random(digits: 32)
        try makeTables(driver: type.name, storeID: storeID)
        try attempting("sync \(paths.root)", try folder.sync())
        database = try StoreDatabase(paths.database, .readWrite)
        (self.driver, self.storeID) = (driver, storeID)
    }

    private func makeTables(driver: String, storeID: String) throws(DriverError) {
        try StoreDatabase.create(paths.database) { database in
            for (key, value) in ["driver": driver, "store_id": storeID] {
                try database.execute(
                    sql: "INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)",
                    arguments: [key, value])
            }
        }
    }

    private func type(named name: String) throws(DriverError) -> any Driver.Type {
        if let type = drivers.first(where: { $0.name == name }) { return type }
        let known = drivers.map { $0.name }.joined(separator: ", ")
        throw DriverError(
            .unsupported,
            "this build has no driver \(name); it has \(known.isEmpty ? "none" : known)")
    }

    /// Opens the driver with the options that are meant for it.
    private func make(_ type: any Driver.Type) throws(DriverError) -> any Driver {
        let others = Set(drivers.map { $0.name }).subtracting([type.name])
        var values: [String: String] = [:]
        for (key, value) in configuration.options {
            guard let dot = key.firstIndex(of: ".") else {
                values[key] = value
                continue
            }
            let prefix = String(key[..<dot])
            if prefix == type.name {
                values[String(key[key.index(after: dot)...])] = value
            } else if !others.contains(prefix) {
                values[key] = value
            }
        }
        return try type.init(
            root: paths.root, options: DriverOptions(values), readOnly: isReadOnly)
    }
}
