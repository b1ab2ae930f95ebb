// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphCore
import GraphSystem
public import Logging
import Synchronization
public import SystemPackage

/// Layers by id, with their parents, kinds and history, over the bytes that a driver keeps.
///
/// Every change is recorded as an intent, done, and recorded as a result; what a dead process left
/// undone is cleared by the next one. Nothing is locked while bytes move. Methods may be called
/// from several threads and processes at once, and block on the kernel.
///
/// Layers are named by their id or by the start of it that no other id has. All methods throw
/// ``GraphCore/DriverError``; one that throws leaves the store as it was.
public final class LayerStore: Sendable {
    /// Where a store is and how to use it.
    public struct Configuration: Sendable {
        /// The store's folder.
        public var root: FilePath
        /// The folder for what a reboot ends: the records of mounts.
        public var runRoot: FilePath
        /// The driver's name; nil for the one that the store has, or a choice for a new store.
        public var driver: String?
        /// Settings for the driver.
        ///
        /// A key may begin with the driver's name and a dot; keys that begin with the name of
        /// another driver are left out.
        public var options: [String: String]
        /// Whether to refuse where there is no store, instead of making one.
        public var mustExist = false
        /// Whether to leave every file of the store alone.
        public var readOnly: Bool
        /// What committed layers are promised.
        public var durability: Durability
        /// The filesystem that the store brings along, for a store that is to be made; see docs/bed.md.
        ///
        /// An existing store is then refused. Whether it has a bed is found out by looking.
        public var bed: NewBed?
        /// Hears what was cleared on opening, and what could not be.
        public var logger: Logger

        /// Describes a store.
        public init(
            root: FilePath, runRoot: FilePath, driver: String? = nil,
            options: [String: String] = [:], readOnly: Bool = false,
            durability: Durability = .durable, logger: Logger = Logger(label: "graph-store")
        ) {
            (self.root, self.runRoot, self.driver) = (root, runRoot, driver)
            (self.options, self.readOnly) = (options, readOnly)
            (self.durability, self.logger) = (durability, logger)
        }
    }

    /// The driver that keeps this store's bytes.
    public let driver: any Driver
    let configuration: Configuration
    let paths: StorePaths
    /// What the store lies on, if it brought that along; held, so that it stays mounted.
    let bed: Bed?
    let storeID: String
    let isReadOnly: Bool
    let database: StoreDatabase
    let recipes: RecipeFolder
    private let ownerIfAny = Mutex<Owner?>(nil)
    private let mountsIfOpen = Mutex(OpenMountTable())
    let mountPointsIfKnown = Mutex<FilePath?>(nil)
    /// Whether RUN-ROOT says that mounts before this start of the machine are forgotten.
    let isBootMarked = Mutex(false)
    private let depthMaxIfAsked = Mutex<Int??>(nil)
    let evidence: RecordEvidence
    let lossIfAny = Mutex<String?>(nil)
    /// Numbers that were given out and under which somebody's bytes lie.
    let occupied = Mutex<Set<LayerNumber>>([])

    /// Opens a store, and makes it when there is none.
    ///
    /// What dead processes left undone is cleared first; what cannot be cleared is a warning.
    ///
    /// - Parameters:
    ///   - configuration: Where the store is.
    ///   - drivers: The drivers of this build.
    ///   - chooseDriver: Called with the root of a new store when the configuration names no driver.
    /// - Throws: ``GraphCore/DriverError/Code/untrusted`` when another user could change what is at
    ///   the root or at the run root, ``GraphCore/DriverError/Code/driverMismatch`` when the store has another driver
    ///   than the configuration names, ``GraphCore/DriverError/Code/storeDamaged`` when its
    ///   database is no database, ``GraphCore/DriverError/Code/unsupported`` when a newer version
    ///   made it, and whatever the driver's own opening throws.
    public init(
        _ configuration: Configuration, drivers: [any Driver.Type],
        chooseDriver: (FilePath) throws(DriverError) -> any Driver.Type
    ) throws(DriverError) {
        var opening = StoreOpening(configuration, drivers)
        try opening.run(chooseDriver)
        (driver, storeID, database, paths, bed, isReadOnly, evidence) = try opening.result()
        self.configuration = configuration
        recipes = RecipeFolder(path: paths.recipes)
        recoverOnOpening()
    }

    /// Tells of something that could not be cleared and stops nobody.
    func warn(_ message: String, _ number: LayerNumber?, _ error: DriverError) {
        configuration.logger.warning(
            "\(message)",
            metadata: [
                "root": "\(paths.root)", "number": "\(number?.description ?? "-")",
                "error": "\(error)",
            ])
    }

    /// Tells that what a dead process left was cleared.
    func tellCleared(_ record: LayerRecord) {
        configuration.logger.info(
            "cleared an interrupted operation",
            metadata: ["number": "\(record.number)", "was": "\(record.state.rawValue)"])
    }

    /// Refuses what changes the store when it is open for reading.
    func checkWritable(_ action: @autoclosure () -> String) throws(DriverError) {
        if isReadOnly {
            throw DriverError(.storeReadOnly, "could not \(action()): the store is read-only")
        }
        try refuseLoss(action())
        try driver.requireChangeable()
    }

    /// This object's owner number; its lock is taken when the first intent needs it.
    func owner() throws(DriverError) -> Int64 {
        do {
            return try ownerIfAny.withLock { owner throws(SyscallError) in
                if let owner { return owner.number }
                let new = try Owner(in: paths.owners)
                owner = new
                // Before the disk is full: when this process begins to change the store.
                Reserve(paths.reserve).fill()
                bed?.reserve.fill()
                return new.number
            }
        } catch {
            throw DriverError("lock \(paths.owners)", error)
        }
    }

    /// The longest chain that the driver mounts; nil for no limit.
    func depthMax() -> Int? {
        depthMaxIfAsked.withLock { known in
            if let known { return known }
            let depth = driver.capabilities.depthMax
            known = .some(depth)
            return depth
        }
    }

    /// Whether somebody still works on an intent.
    func isAlive(_ owner: Int64?) throws(DriverError) -> Bool {
        guard let owner else { return false }
        return try attempting(
            "ask for the owner of an operation", try Owner.isAlive(owner, in: paths.owners))
    }

    /// The records of mounts, opened when the first operation needs them, and made where there are
    /// none.
    func mountTable() throws(DriverError) -> MountTable {
        // Others would take what is recorded now for mounts before the machine's start.
        try requireBootMark()
        return try mountsIfOpen.withLock { table throws(DriverError) in
            if let known = table.table { return known }
            try paths.makeRunRoot()
            let new = try MountTable(paths.mounts, lock: paths.layerLocks, store: storeID)
            table.keep(new)
            return new
        }
    }

    /// The records of mounts, unless nothing was ever mounted or they are not ours to see.
    func mountTableIfAny() throws(DriverError) -> MountTable? {
        try mountsIfOpen.withLock { table throws(DriverError) in
            if let known = table.table { return known }
            do throws(SyscallError) {
                if try MountTable.isMissing(paths.mounts) { return nil }
            } catch
                where error.errno == .noSuchFileOrDirectory
                || error.errno == .permissionDenied
            {
                return nil
            } catch {
                throw DriverError("look at \(paths.runRoot)", error)
            }
            let found = try MountTable(opening: paths.mounts, storeID)
            table.keep(found)
            return found
        }
    }

    /// Keeps all others from mounting, unmounting, committing and removing a layer.
    ///
    /// A lock in ROOT and no transaction: it costs three system calls, dies with its process, and holds
    /// up nobody who works on another layer.
    func withLock<Value>(
        on number: LayerNumber, _ body: () throws(DriverError) -> Value
    ) throws(DriverError) -> Value {
        let lock = try LayerLock(on: number, paths, isReadOnly: isReadOnly)
        defer { withExtendedLifetime(lock) {} }
        return try body()
    }
}

/// The files of a store, as paths.
struct StorePaths: Sendable {
    let root: FilePath
    let runRoot: FilePath

    /// The records.
    var database: FilePath { root.appending("graph.db") }
    /// Locked bytes tell which intents have a living owner, and which layers are being mounted, unmounted,
    /// committed or removed.
    var owners: FilePath { root.appending("owners.lock") }
    /// How applied tars are put together again.
    var recipes: FilePath { root.appending("recipes") }
    /// Space that a full disk leaves for removing layers.
    var reserve: FilePath { root.appending("reserve") }
    /// The records of mounts.
    var mounts: FilePath { runRoot.appending("mounts.db") }
    /// A locked byte tells that the records of mounts are being made; others, which layers of a store
    /// that is only read are being mounted or unmounted.
    var layerLocks: FilePath { runRoot.appending("mounts.lock") }
    /// Mount points that the store makes.
    var mountPoints: FilePath { runRoot.appending("mnt") }

    /// Says for which boot of the machine a store's mounts were recorded.
    func boot(_ storeID: String) -> FilePath { runRoot.appending("boot-" + storeID) }

    /// What the store opens at the root by name, and what it is.
    static let rootNames: [(name: RawPath, type: GraphSystem.FileType?)] = [
        ("graph.db", .regular), ("graph.db-wal", .regular), ("graph.db-shm", .regular),
        ("owners.lock", .regular), ("recipes", .directory), ("trash", .directory),
        ("blobs", .directory),
        // The first stores had a file.
        ("reserve", nil),
    ]
    /// The same of the run root.
    static let runRootNames: [(name: RawPath, type: GraphSystem.FileType?)] = [
        ("mounts.db", .regular), ("mounts.db-wal", .regular), ("mounts.db-shm", .regular),
        ("mounts.lock", .regular), ("mnt", .directory),
    ]

    /// Makes the folder for what a reboot ends, readable by its owner alone.
    ///
    /// What is there already is looked at once more: it may have been made since the store was
    /// opened, in a directory such as `/tmp`.
    func makeRunRoot() throws(DriverError) {
        if let status = try? FileStatus(of: runRoot) {
            return try Trust.require(status, .directory, at: runRoot)
        }
        _ = try TrustedDirectory(runRoot).make()
    }
}
