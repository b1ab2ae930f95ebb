// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphSystem
public import SystemPackage

/// Storage for layers that share content copy-on-write.
///
/// The store names layers and knows their parents, kinds and history; a driver owns bytes, knows
/// numbers, and keeps no database. What exists on disk is the driver's only state.
///
/// ## Rules for every method
/// - Parents are given nearest first, down to the base.
/// - Methods block on the kernel and may be called from several threads and processes at once; the
///   store never makes two calls that change the same layer at the same time.
/// - A driver touches nothing outside its root, `ROOT/trash` and the kernel objects that it names
///   after them.
/// - A call that throws leaves the layer as it was, or leaves what ``remove(_:)`` clears.
/// - A process may die between any two system calls: the store then calls ``remove(_:)`` for a
///   layer that was being created, and ``remove(_:)`` again for one that was being removed.
///
/// ## The life of a layer
/// An active layer: `create`, `mounts` (writable) while a container runs, then either `seal`, which
/// makes it a possible parent, or `remove`. A layer from a tar: `create`, `applyTarget`, the tar is
/// written there, `finishApply`, `seal`. `diffSource` and `mounts` (read-only) show it from then on.
///
/// What not every driver can do is a protocol of its own, ``BlockDeviceDriver``, ``CopyUpDriver`` and
/// ``VolatileDriver``, which a driver conforms to as well.
///
/// The conformance suite states each promise below as a test; a new driver runs it unchanged.
public protocol Driver: Sendable {
    /// The name people type, such as `overlay`; also the name of the driver's directory in the store.
    static var name: String { get }

    /// Tries, below `root`, each thing this driver needs from the host, by doing it.
    ///
    /// Leaves nothing behind. `root` exists and is a directory.
    static func probe(root: FilePath) -> [Requirement]

    /// Whether layers are directories on whatever filesystem the store is on, so that one with reflink
    /// that the store brings along is of use to them.
    static var livesOnLoopImage: Bool { get }

    /// What the keys of its options begin with, before a dot, where that is not the driver's name: then other
    /// drivers do not hear of them.
    static var optionPrefix: String { get }

    /// Opens the driver's part of a store, making its directory when it is missing.
    ///
    /// - Parameters:
    ///   - root: The store's root. The driver's directory is `ROOT/NAME`, its trash `ROOT/trash`.
    ///   - options: Unknown keys are refused with ``DriverError/Code/invalidArgument``.
    ///   - readOnly: Only looks: makes no directory, tries nothing that writes, never fails because
    ///     the filesystem is read-only.
    /// - Throws: ``DriverError/Code/unsupported`` when a requirement that is not optional is unmet,
    ///   with the call that refused.
    init(root: FilePath, options: DriverOptions, readOnly: Bool) throws(DriverError)

    /// What this driver can do as it is set up.
    var capabilities: DriverCapabilities { get }

    /// The most committed layers that a chain may have; nil for no limit.
    ///
    /// Asked for each new layer, so it costs less than ``capabilities``, which has it, too.
    var depthMax: Int? { get }

    // MARK: Lifecycle

    /// Makes a writable layer that shows what its nearest parent shows, or nothing.
    ///
    /// The layer is marked as unfinished on disk until ``settle(_:)`` or ``seal(_:parents:durability:)``.
    /// Bytes under this number that bear that mark are removed first; others are never touched.
    ///
    /// - Throws: ``DriverError/Code/layerNotFound`` when the nearest parent has no bytes here,
    ///   ``DriverError/Code/layerExists`` when finished bytes lie under this number,
    ///   ``DriverError/Code/unsupported`` for limits that cannot be kept,
    ///   ``DriverError/Code/noSpace`` when it will not fit.
    func create(
        _ layer: LayerNumber, parents: [LayerNumber], limits: LayerLimits,
        observer: WorkObserver
    ) throws(DriverError)

    /// Whether a layer is not known to be finished: it bears the mark that it got when it was created,
    /// or there is nothing of it.
    ///
    /// What has no record and bears the mark was being made when the power was cut; what has no record
    /// and no mark is somebody's layer, whose record was lost.
    func isUnfinished(_ layer: LayerNumber) throws(DriverError) -> Bool

    /// Takes the mark of an active layer away, once its record is on disk.
    func settle(_ layer: LayerNumber) throws(DriverError)

    /// Makes an active layer again that a power cut took after its record was on disk: it is missing, or
    /// still marked as unfinished, so that nothing in it can have been put on disk by anybody.
    ///
    /// Called once for each active layer after a start of the machine, before it is used.
    ///
    /// - Returns: Whether there was something to do.
    func restore(
        _ layer: LayerNumber, parents: [LayerNumber], limits: LayerLimits,
        observer: WorkObserver
    ) throws(DriverError) -> Bool

    /// Refuses changes where the driver's own state and the store are not from the same time.
    ///
    /// - Throws: ``DriverError/Code/storeReadOnly`` with what to do.
    func requireChangeable() throws(DriverError)

    /// Makes a layer immutable; with ``Durability/durable`` returns once its bytes are on disk.
    ///
    /// Sealing a sealed layer does nothing.
    func seal(
        _ layer: LayerNumber, parents: [LayerNumber], durability: Durability
    ) throws(DriverError)

    /// Makes a layer writable that may have been sealed by a process that died before that was
    /// recorded, and settles one whose maker died before it did; does nothing for others.
    func reopen(_ layer: LayerNumber) throws(DriverError)

    /// Takes the bytes of a layer out of sight, in time that does not depend on their number.
    ///
    /// What has to be freed waits in the trash for ``reclaim(observer:)``. Removing what does not
    /// exist succeeds. Needs no free space beyond a few blocks.
    func remove(_ layer: LayerNumber) throws(DriverError)

    /// Frees what was removed, by this process or any before it.
    ///
    /// Several processes may do this at once. Stops when the observer says so, and goes on from
    /// there the next time.
    ///
    /// - Returns: The bytes of disk blocks freed, where the driver can tell.
    @discardableResult
    func reclaim(observer: WorkObserver) throws(DriverError) -> UInt64

    /// Everything that exists on disk and in the kernel, told from the things themselves.
    func inventory() throws(DriverError) -> [InventoryItem]

    /// How many things that were removed the kernel has still to free by itself, on the whole
    /// filesystem; nil where that does not happen, or nobody tells.
    func freeingCount() -> Int?

    // MARK: Access

    /// The mounts that show `layer` on top of its parents, in the order in which to attach them,
    /// computed and not performed.
    ///
    /// The first is attached at the caller's target. An overlay's upper directory must be mounted
    /// writable at one place at a time; the store sees to that.
    ///
    /// - Throws: ``DriverError/Code/layerNotFound`` when the layer has no bytes here,
    ///   ``DriverError/Code/depthExceeded`` when the chain is too long.
    func mounts(
        for layer: LayerNumber, parents: [LayerNumber], writable: Bool
    ) throws(DriverError) -> [Mount]

    /// Who uses a layer without a record of the store, told by the kernel's own objects: a mount in another
    /// mount namespace, in one without a process or in none, or one of another run root; nil for nobody.
    ///
    /// Asked with the layer's lock held, and when no record tells of a mount. A layer that is sealed or
    /// removed must be in nobody's use; of one that is mounted, nothing may be shown that would be harmed
    /// by a second mount. What the kernel cannot tell is in the driver's documentation.
    ///
    /// `hasLostMount` says that somebody else took a mount of the store's away, as `umount -l` does.
    ///
    /// The default says that nobody does: for drivers whose layers only the store can mount.
    func unrecordedUse(
        of layer: LayerNumber, before step: LayerStep, hasLostMount: Bool
    ) throws(DriverError) -> LayerUse?

    /// The space that the layer takes by itself.
    func usage(
        of layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> LayerUsage

    /// The same, where a walk has just found what the layer's own directory takes.
    ///
    /// Drivers that count otherwise do not implement it.
    func usage(
        of layer: LayerNumber, parents: [LayerNumber], walked: TreeUsage
    ) throws(DriverError) -> LayerUsage

    // MARK: Change

    /// Where a layer tar is to be written for a layer just created.
    func applyTarget(
        for layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> ApplyTarget

    /// Makes what was written to ``applyTarget(for:parents:)`` the layer's content.
    func finishApply(
        of layer: LayerNumber, parents: [LayerNumber], observer: WorkObserver
    ) throws(DriverError)

    /// The two sides of a layer's changes against another, or against nothing.
    ///
    /// `base` is the layer to compare with: the parent, an ancestor, or any other layer with its own
    /// parents; nil for the empty tree.
    func diffSource(
        of layer: LayerNumber, parents: [LayerNumber],
        from base: LayerNumber?, baseParents: [LayerNumber]
    ) throws(DriverError) -> DiffSource
}
