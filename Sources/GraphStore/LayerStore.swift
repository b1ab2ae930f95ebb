// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphCore
import GraphSystem
public import Logging
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
        /// What is to be at the root; anything else is refused, and nothing is made.
        public enum Expectation: Sendable {
            /// A store, or a root where one can be made.
            case anything
            /// A store.
            case existing
            /// No store: one is made.
            case nothing
        }

        /// The store's directory.
        public var root: FilePath
        /// The directory for what a reboot ends: the records of mounts.
        public var runRoot: FilePath
        /// The driver's name; nil for the one that the store has, or a choice for a new store.
        public var driver: String?
        /// Settings for the driver.
        ///
        /// A key may begin with the driver's name and a dot; keys that begin with the name of
        /// another driver are left out.
        public var options: [String: String]
        /// Whether there has to be a store, or must be none.
        public var expects = Expectation.anything
        /// Whether to leave every file of the store alone.
        public var readOnly: Bool
        /// What committed layers are promised.
        public var durability: Durability
        /// The filesystem that the store brings along, for a store that is to be made; see docs/loop-image.md.
        ///
        /// An existing store is then refused, as with ``Expectation/nothing``. Whether it has a loop image is
        /// found out by looking.
        public var loopImage: NewLoopImage?
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
    package let driver: any Driver
    /// The images.
    public let images: ImageRecords
    /// What the store lies on, if it brought that along; held, so that it stays mounted.
    private let loopImage: LoopImage?
    let access: WriteAccess
    let space: FreeSpaceGuard
    let catalog: Catalog
    let content: LayerContent
    let usages: UsageReport
    let registry: MountRegistry
    let mounting: Mounting
    let creation: CreateOperation
    let applying: ApplyOperation
    let chaining: ChainOperation
    let committing: CommitOperation
    let removal: RemoveOperation
    let checking: StoreCheck
    let collection: GarbageCollection

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
        let (driver, storeID, database, paths, image, isReadOnly, evidence) = try opening.result()
        let durability = configuration.durability
        let log = StoreLog(logger: configuration.logger, root: paths.root)
        let access = WriteAccess(isReadOnly: isReadOnly, driver, database: paths.database, log)
        let space = FreeSpaceGuard(paths, database, image, driver, access)
        let owner = OperationOwner(
            paths.owners, filling: [Reserve(paths.reserve)] + (image.map { [$0.reserve] } ?? []))
        let locks = LayerLocks(paths: paths, isReadOnly: isReadOnly)
        let catalog = Catalog(database, durability)
        let recipes = RecipeDirectory(path: paths.recipes)
        let content = LayerContent(catalog: catalog, driver: driver, recipes: recipes)
        let blobs = KeptBlobs(
            directory: BlobDirectory(path: paths.blobs), catalog: catalog, owner: owner,
            access: access, space: space)
        let registry = MountRegistry(paths, storeID, driver, locks)
        let use = LayerUseGuard(registry: registry, catalog: catalog, driver: driver)
        let orphans = OrphanSearch(catalog: catalog, driver: driver, recipes: recipes)
        let pending = PendingLayers(catalog, driver, recipes, owner, access, space, log)
        let recovery = Recovery(
            catalog: catalog, pending: pending, driver: driver, recipes: recipes,
            registry: registry, orphans: orphans,
            loss: RecordLoss(
                evidence: evidence, catalog: catalog, orphans: orphans, access: access),
            locks: locks, owner: owner, access: access, space: space, log: log, paths: paths)
        (self.driver, self.loopImage, self.access, self.space) = (driver, image, access, space)
        (self.catalog, self.content, self.registry) = (catalog, content, registry)
        usages = UsageReport(
            catalog: catalog, driver: driver, registry: registry, loopImage: image,
            paths: paths, root: configuration.root, storeID: storeID, isReadOnly: isReadOnly,
            durability: durability)
        mounting = Mounting(
            registry: registry, use: use, catalog: catalog, driver: driver,
            isOnLoopImage: image != nil, recovery: recovery, locks: locks, access: access,
            space: space)
        creation = CreateOperation(
            pending: pending, recovery: recovery, driver: driver, space: space, log: log)
        applying = ApplyOperation(
            pending: pending, recovery: recovery, catalog: catalog, content: content,
            driver: driver, recipes: recipes, durability: durability, access: access,
            space: space)
        committing = CommitOperation(
            catalog: catalog, content: content, driver: driver, durability: durability, use: use,
            recovery: recovery, locks: locks, owner: owner, access: access, space: space, log: log)
        removal = RemoveOperation(
            catalog: catalog, pending: pending, driver: driver, recipes: recipes, use: use,
            recovery: recovery, locks: locks, owner: owner, access: access, space: space, log: log)
        chaining = ChainOperation(operation: applying, removal: removal)
        images = ImageRecords(
            catalog: catalog, blobs: blobs,
            removal: RemoveImageOperation(layers: removal, blobs: blobs), access: access,
            space: space)
        checking = StoreCheck(
            catalog: catalog, database: paths.database, driver: driver, recipes: recipes,
            orphans: orphans,
            content: ContentCheck(
                catalog: catalog, layers: content, driver: driver, recipes: recipes),
            blobs: blobs, registry: registry, owner: owner, access: access, loopImage: image)
        collection = GarbageCollection(
            check: checking, recovery: recovery, catalog: catalog, orphans: orphans, blobs: blobs,
            use: use, driver: driver, recipes: recipes, evidence: evidence, access: access,
            space: space, loopImage: image)
        recovery.runOnOpening()
    }
}
