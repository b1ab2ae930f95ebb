// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
public import GraphSystem
public import SystemPackage

/// Layers as whole trees in directories of their own; a new one is a copy of its nearest parent's.
///
/// `ROOT/copies/NUMBER/root` is the tree. Works on any filesystem with attributes and hard links; where
/// files can share blocks, copies do.
public final class CopyDriver: DirectoryDriver, FreezingDriver {
    /// The name on the command line, and of the directory.
    public static let name = "copies"

    /// The directories of its layers.
    public let directories: LayerDirectories
    private let trees: WholeTrees
    private let attributes: MountAttributes

    /// Tries attributes, hard links, special files and reflink.
    public static func probe(root: FilePath) -> [Requirement] {
        Probe.run(below: root, driver: name) { probe, directory, _ in
            probe.attemptFiles(in: directory)
            probe.attemptReflink(in: directory)
        }
    }

    /// Opens the directory; its one option is `mountopt`.
    public init(root: FilePath, options: DriverOptions, readOnly: Bool) throws(DriverError) {
        try options.check(known: ["mountopt"], driver: Self.name)
        attributes = try options.mountAttributes(driver: Self.name)
        directories = try LayerDirectories(root: root, driver: Self.name, readOnly: readOnly) {
            () throws(DriverError) in
            try require(Self.probe(root: root), driver: Self.name)
        }
        trees = WholeTrees(directories)
    }

    /// What it costs here to create a layer.
    public var capabilities: DriverCapabilities {
        DriverCapabilities(
            hasReflink: directories.supportsReflink,
            costWithoutReflink: "creating a layer copies its parent")
    }

    // MARK: Lifecycle

    /// Copies the tree of the nearest parent, or makes an empty one.
    public func create(
        _ layer: LayerNumber, parents: [LayerNumber], limits: LayerLimits,
        observer: WorkObserver
    ) throws(DriverError) {
        if limits.bytes != nil {
            throw DriverError(.unsupported, "driver \(name) cannot limit the size of a layer")
        }
        try trees.create(layer, parents: parents, observer: observer)
    }

    /// Copies the tree again where it is missing or marked.
    public func restore(
        _ layer: LayerNumber, parents: [LayerNumber], limits: LayerLimits,
        observer: WorkObserver
    ) throws(DriverError) -> Bool {
        try directories.restore(layer, needing: WholeTrees.tree) { () throws(DriverError) in
            try create(layer, parents: parents, limits: limits, observer: observer)
        }
    }

    /// Syncs the filesystem, if it is to be durable, and takes the mark away.
    public func seal(
        _ layer: LayerNumber, parents: [LayerNumber], durability: Durability
    ) throws(DriverError) {
        _ = try trees.open(layer)
        // The mark goes last: a layer without one counts as complete.
        if durability == .durable { try directories.sync(layer) }
        try directories.settleIfMarked(layer)
    }

    // MARK: Access

    /// A bind of the tree, recorded for ``unrecordedUse(of:before:hasLostMount:)``.
    public func mounts(
        for layer: LayerNumber, parents: [LayerNumber], writable: Bool
    ) throws(DriverError) -> [Mount] {
        let mount = try trees.mount(layer, attributes, writable: writable)
        try directories.markBind(of: layer, writable: writable)
        return [mount]
    }

    /// Looks for bind mounts of the tree.
    public func unrecordedUse(
        of layer: LayerNumber, before step: LayerStep, hasLostMount: Bool
    ) throws(DriverError) -> LayerUse? {
        try directories.bindUse(
            of: layer, WholeTrees.tree, before: step, hasLostMount: hasLostMount)
    }

    /// Makes the bind mounts of the tree read-only.
    public func freezeMounts(of layer: LayerNumber) throws(DriverError) {
        try directories.freezeBinds(of: layer, WholeTrees.tree)
    }

    /// Walks the tree.
    public func usage(
        of layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> LayerUsage {
        try trees.usage(of: layer, parents: parents)
    }

    // MARK: Change

    /// An empty stage beside the tree.
    public func applyTarget(
        for layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> ApplyTarget {
        try trees.applyTarget(for: layer, parents: parents)
    }

    /// Merges the stage into the tree.
    public func finishApply(
        of layer: LayerNumber, parents: [LayerNumber], observer: WorkObserver
    ) throws(DriverError) {
        try trees.finishApply(of: layer, observer: observer)
    }

    /// Two whole trees.
    public func diffSource(
        of layer: LayerNumber, parents: [LayerNumber],
        from base: LayerNumber?, baseParents: [LayerNumber]
    ) throws(DriverError) -> DiffSource {
        try trees.diffSource(of: layer, from: base)
    }
}
