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
    /// The store's root as it was checked, before its loop image.
    private var root: TrustedDirectory?
    private var loopImage: LoopImage?
    private var driver: (any Driver)?
    private var storeID = ""
    private var database: StoreDatabase?
    private var isReadOnly: Bool
    /// Whether that is because the files cannot be written.
    private var isRefused = false
    private var marks: [RecordMark.Value] = []
    private var evidence = RecordEvidence()

    init(_ configuration: LayerStore.Configuration, _ drivers: [any Driver.Type]) {
        (self.configuration, self.drivers) = (configuration, drivers)
        paths = StorePaths(root: configuration.root, runRoot: configuration.runRoot)
        isReadOnly = configuration.readOnly
    }

    /// Takes all steps.
    mutating func run(
        _ chooseDriver: (FilePath) throws(DriverError) -> any Driver.Type
    ) throws(DriverError) {
        if let name = configuration.driver { try checkLoopImage(try type(named: name)) }
        do throws(DriverError) {
            try findPlaces()
            try makeLoopImage()
            if let directory = try openRoot() {
                try decideAccess(directory)
                if try open(directory) { return }
            }
            try make(chooseDriver)
        } catch {
            // Nothing of the store holds the loop image that was attached for it.
            (driver, database) = (nil, nil)
            LoopImage.withdraw(&loopImage)
            throw error
        }
    }

    /// Makes sure that nobody else has a say at the root and at the run root, before anything there is
    /// used.
    private mutating func findPlaces() throws(DriverError) {
        let root = try TrustedDirectory(configuration.root)
        self.root = root
        do throws(DriverError) {
            let runRoot = try TrustedDirectory(configuration.runRoot, [.path, .directory])
            if let opened = runRoot.opened {
                try Trust.require(StorePaths.runRootNames, in: opened, runRoot.path)
            }
            paths = StorePaths(root: root.path, runRoot: runRoot.path)
        } catch  where error.cause?.errno == .permissionDenied {
            // Root's own: who may only read the store gets no further there, now or later.
            paths = StorePaths(root: root.path, runRoot: configuration.runRoot)
        }
    }

    /// Goes to where the store is when it has a loop image, which is made for a new store that wants one.
    private mutating func makeLoopImage() throws(DriverError) {
        if let wanted = configuration.loopImage {
            if isReadOnly {
                throw DriverError(.storeReadOnly, "a loop image cannot be made for reading only")
            }
            if let place = root { root = try LoopImage.make(wanted, at: place) }
        }
        guard let root, let loopImage = try LoopImage.open(root) else { return }
        self.loopImage = loopImage
        paths = StorePaths(root: loopImage.path, runRoot: paths.runRoot)
    }

    /// Refuses drivers that would not use a loop image.
    private func checkLoopImage(_ type: any Driver.Type) throws(DriverError) {
        if type.livesOnLoopImage || configuration.loopImage == nil && loopImage == nil { return }
        throw DriverError(
            .unsupported, "driver \(type.name) cannot keep its layers on a loop image, which is xfs"
        )
    }

    /// What the steps led to.
    func result() throws(DriverError) -> (
        any Driver, String, StoreDatabase, StorePaths, LoopImage?, isReadOnly: Bool, RecordEvidence
    ) {
        guard let driver, let database else {
            throw DriverError(.system, "could not open the store at \(paths.root)")
        }
        return (driver, storeID, database, paths, loopImage, isReadOnly, evidence)
    }

    /// The store's directory, with names in it that can be trusted; nil when it does not exist.
    private func openRoot() throws(DriverError) -> Directory? {
        let directory: Directory
        if loopImage == nil {
            guard let opened = root?.opened else { return nil }
            directory = opened
        } else {
            directory = try attempting(
                "open the store at \(paths.root)", try Directory(opening: paths.root))
            let status = try attempting("look at \(paths.root)", try directory.status())
            try Trust.require(status, .directory, at: paths.root)
        }
        let names = drivers.map { (RawPath($0.name), GraphSystem.FileType?.some(.directory)) }
        try Trust.require(StorePaths.rootNames + names, in: directory, paths.root)
        return directory
    }

    private func status(
        of name: RawPath, in directory: Directory
    ) throws(DriverError) -> FileStatus? {
        try attempting("look at \(paths.root)", try directory.statusIfPresent(of: name))
    }

    /// Reads only when that was asked for, or when the files cannot be written.
    ///
    /// Tried on the lock file and never on the database: closing a descriptor of the database would
    /// release the locks that this process's other connections to it hold. Its marks are read before
    /// the records, since both only grow.
    private mutating func decideAccess(_ directory: Directory) throws(DriverError) {
        do throws(SyscallError) {
            marks = try RecordMark.all(
                in: try directory.open("owners.lock", isReadOnly ? .readOnly : .readWrite))
        } catch  where error.errno == .noSuchFileOrDirectory {
            // Deleted, or not yet made: whoever locks it first makes it.
            isRefused = try attempting(
                "look at \(paths.root)", try directory.descriptor.filesystem().isReadOnly)
        } catch
            where [.readOnlyFileSystem, .permissionDenied, .notPermitted].contains(error.errno)
        {
            isRefused = true
            let file = try? directory.open("owners.lock", .readOnly)
            if let file { marks = (try? RecordMark.all(in: file)) ?? [] }
        } catch {
            throw DriverError("open the store at \(paths.root)", error)
        }
        isReadOnly = isReadOnly || isRefused
    }

    /// Opens what is there.
    ///
    /// False when there is no store yet, or one that is being made, or whose maker died before it
    /// wrote the first record.
    private mutating func open(_ directory: Directory) throws(DriverError) -> Bool {
        guard let file = try status(of: "graph.db", in: directory), file.size > 0 else {
            try refuseTraces()
            return false
        }
        let access = isReadOnly ? try readingAccess(directory) : .readWrite
        let facts: Facts
        if isReadOnly {
            (database, facts) = try connect(access, in: directory)
        } else {
            // SQLite wants a few blocks for the index of its log.
            (database, facts) = try Reserve(paths.reserve).using { () throws(DriverError) in
                try connect(access, in: directory)
            }
        }
        if facts.isEmpty && !isReadOnly {
            try refuseTraces()
            self.database = nil
            return false
        }
        try check(facts)
        if configuration.expects == .nothing || configuration.loopImage != nil {
            let hint =
                configuration.loopImage == nil ? "" : "; a loop image is made for a new one"
            throw DriverError(
                .invalidArgument, "there is a store at \(configuration.root) already\(hint)")
        }
        storeID = facts.storeID ?? ""
        evidence = RecordEvidence(
            changes: facts.changes, mark: RecordMark.last(of: storeID, in: marks),
            file: RecordMark.identity(of: file))
        database?.keep(RecordMark(in: directory, storeID: storeID))
        // One that is only read is read as it is: an older one has no images.
        if !isReadOnly && facts.version < Schema.migrations.count && evidence.lostCount == 0 {
            try StoreDatabase.migrate(paths.database) { _ in }
        }
        if let name = configuration.driver, name != facts.driver {
            throw DriverError(
                .driverMismatch,
                "the store at \(paths.root) belongs to driver \(facts.driver ?? "?"), not to \(name);"
                    + " leave the driver out, or use another root")
        }
        driver = try openDriver(try type(named: facts.driver ?? "", recorded: true))
        return true
    }

    private func refuseTraces() throws(DriverError) {
        try StoreTraces(root: paths.root, drivers: drivers.map { $0.name }).refuse()
    }

    /// How to read what may not be written.
    private func readingAccess(_ directory: Directory) throws(DriverError) -> StoreDatabase.Access {
        let log = try status(of: "graph.db-wal", in: directory)
        let hasLog = log.map { $0.size > 0 } ?? false
        let filesystem = try attempting(
            "look at \(paths.root)", try directory.descriptor.filesystem())
        if filesystem.isReadOnly && !hasLog { return .immutable }
        // Whoever works on a store has this file, and who may write makes it.
        let hasIndex = try status(of: "graph.db-shm", in: directory) != nil
        if hasIndex || !(isRefused || filesystem.isReadOnly) { return .readOnly }
        return hasLog ? .copy : .immutable
    }

    /// What the database says about itself.
    private struct Facts {
        let version: Int
        /// There is not even a table.
        let isEmpty: Bool
        var storeID: String?
        var driver: String?
        /// How many changes its records have had.
        var changes: UInt64 = 0
    }

    private func connect(
        _ access: StoreDatabase.Access, in directory: Directory
    ) throws(DriverError) -> (StoreDatabase, Facts) {
        let database = try StoreDatabase(paths.database, in: directory, access)
        let facts = try database.read("read the store at \(paths.root)") { connection in
            let version = try Schema.version(connection)
            if version == 0 {
                return Facts(version: 0, isEmpty: try Schema.isEmpty(connection))
            }
            let queries = CatalogReader(connection)
            return Facts(
                version: version, isEmpty: false, storeID: try queries.fact("store_id"),
                driver: try queries.fact("driver"), changes: try queries.changeCount())
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
        if configuration.expects == .existing {
            throw DriverError(
                .invalidArgument,
                "there is no store at \(configuration.root); init, create, apply and import make one"
            )
        }
        if isReadOnly {
            throw DriverError(
                .storeReadOnly, "there is no store at \(paths.root), and none may be made there")
        }
        if loopImage == nil { root = try root?.make() }
        let lock = try attempting(
            "lock \(paths.owners)", try RangeLock(waitingFor: Owner.creation, in: paths.owners))
        defer { withExtendedLifetime(lock) {} }
        guard let directory = try openRoot() else {
            throw DriverError(.system, "\(paths.root) went away while a store was made in it")
        }
        // Somebody else may have been quicker.
        if try open(directory) { return }
        let type =
            if let name = configuration.driver {
                try type(named: name)
            } else {
                try chooseDriver(paths.root)
            }
        try checkLoopImage(type)
        let driver = try openDriver(type)
        try RecipeDirectory(path: paths.recipes).make()
        Reserve(paths.reserve).fill()
        let storeID = LayerID.random(digits: 32)
        try makeTables(driver: type.name, storeID: storeID)
        try attempting("sync \(paths.root)", try directory.sync())
        let database = try StoreDatabase(paths.database, in: directory, .readWrite)
        database.keep(RecordMark(in: directory, storeID: storeID))
        (self.driver, self.storeID, self.database) = (driver, storeID, database)
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

    /// The driver of a name: one that a caller names, or that the records of a store name, which another
    /// build made.
    private func type(
        named name: String, recorded isRecorded: Bool = false
    ) throws(DriverError) -> any Driver.Type {
        if let type = drivers.first(where: { $0.name == name }) { return type }
        let known = drivers.map { $0.name }.joined(separator: ", ")
        throw DriverError(
            isRecorded ? .unsupported : .invalidArgument,
            "this build has no driver \(name); it has \(known.isEmpty ? "none" : known)")
    }

    /// Opens the driver with the options that are meant for it.
    private func openDriver(_ type: any Driver.Type) throws(DriverError) -> any Driver {
        let own = [type.name, type.optionPrefix]
        let others = drivers.flatMap { [$0.name, $0.optionPrefix] }.filter { !own.contains($0) }
        var values: [String: String] = [:]
        // The key of one driver says more than the same key of all: it comes last.
        let prefix = type.name + "."
        for (key, value) in configuration.options where !key.hasPrefix(prefix) {
            let first = key.firstIndex(of: ".").map { String(key[..<$0]) }
            if let first, others.contains(first) { continue }
            values[key] = value
        }
        for (key, value) in configuration.options where key.hasPrefix(prefix) {
            values[String(key.dropFirst(prefix.count))] = value
        }
        return try type.init(
            root: paths.root, options: DriverOptions(values), readOnly: isReadOnly)
    }
}
