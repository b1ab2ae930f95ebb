// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphSystem
import SystemPackage

/// What is noted of the files that a layer has from its parent, while they are copied by several threads.
package protocol CopyNotes: Sendable {
    /// Adds a copy that is complete.
    func add(_ copy: FileStatus, of original: FileStatus)
    /// Called once, after everything was copied.
    func finish()
}

/// What drivers share whose layers are whole trees.
///
/// A layer's tree is `root` in a place of its directory; a layer tar is unpacked into `stage` beside it
/// and merged by renaming.
public struct WholeTrees: Sendable {
    private let directories: LayerDirectories
    /// From a layer's directory to the directory that has the tree; empty for the directory itself.
    private let place: RawPath

    /// The name of a layer's tree in its place.
    public static let tree: RawPath = "root"
    private static let stage: RawPath = "stage"

    /// Describes where trees are.
    public init(_ directories: LayerDirectories, at place: RawPath = "") {
        (self.directories, self.place) = (directories, place)
    }

    /// Opens a layer's tree.
    ///
    /// - Throws: ``DriverError/Code/layerNotFound`` when there is none.
    public func open(_ layer: LayerNumber) throws(DriverError) -> Directory {
        try directories.open(layer, place.appending(Self.tree))
    }

    /// Makes a layer's directory and its tree, empty or a copy of the nearest parent's, which stays as it is.
    ///
    /// For trees in the layer's own directory. Kept of a parent: content and holes, types and devices, owners, modes,
    /// times, hard links, and the attributes that are content (docs/formats/archives.md). Blocks are shared where
    /// the filesystem can.
    ///
    /// - Throws: ``DriverError/Code/layerNotFound`` when the parent has no tree here,
    ///   ``DriverError/Code/cancelled`` when the observer stops it, and what
    ///   ``LayerDirectories/create(_:fill:)`` throws. Nothing is left of the layer then.
    public func create(
        _ layer: LayerNumber, parents: [LayerNumber], observer: WorkObserver
    ) throws(DriverError) {
        try create(layer, parents: parents, observer: observer) { _, _ in nil }
    }

    /// The same; `prepare` is given the parent's tree and the layer's directory before the copy, which it may
    /// refuse or take notes of.
    package func create(
        _ layer: LayerNumber, parents: [LayerNumber], observer: WorkObserver,
        prepare: (Directory, Directory) throws(DriverError) -> (any CopyNotes)?
    ) throws(DriverError) {
        precondition(place.isEmpty, "the tree is made by the driver elsewhere")
        let parent = try parents.first.map { (nearest) throws(DriverError) in try open(nearest) }
        try directories.create(layer) { directory throws(DriverError) in
            let tree: Directory
            do throws(SyscallError) {
                tree = try directory.makeOrOpenDirectory(Self.tree, permissions: 0o755)
                if parent == nil { try tree.descriptor.setPermissions(0o755) }
            } catch {
                throw spaceError("make layer \(layer)", error, on: directory.descriptor)
            }
            guard let parent else { return }
            let notes = try prepare(parent, directory)
            try copyTree(
                from: parent, to: tree, action: "copy the parent of layer \(layer)",
                observer: observer, note: notes?.add(_:of:))
            notes?.finish()
        }
    }

    /// A bind of the tree; ``LayerDirectories/markBind(of:writable:)`` must say that there may be one.
    public func mount(
        _ layer: LayerNumber, _ attributes: MountAttributes, writable: Bool
    ) throws(DriverError) -> Mount {
        let tree = place.appending(Self.tree)
        try directories.require(layer, tree)
        return Mount(
            .bind(directories.path(of: layer).appending(tree.description)),
            attributes: writable ? attributes : attributes.union(.readOnly))
    }

    /// Measures a tree, by a walk: without the blocks that it shares with the nearest parent's, which count
    /// there.
    public func usage(
        of layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> LayerUsage {
        try usage(of: layer, parents: parents) { _ in false }
    }

    /// The same, where `isUntouched` may tell of files that they have been left as the parent has them.
    package func usage(
        of layer: LayerNumber, parents: [LayerNumber],
        isUntouched: @escaping (FileStatus) -> Bool
    ) throws(DriverError) -> LayerUsage {
        let tree = try open(layer)
        let base: Directory?
        if let parent = parents.first { base = try open(parent) } else { base = nil }
        return LayerUsage(
            try attempting(
                "measure layer \(layer)",
                try TreeUsage(of: tree, beside: base, isUntouched: isUntouched)))
    }

    /// Makes an empty stage with the attributes of the tree's root.
    public func applyTarget(
        for layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> ApplyTarget {
        let holder = try directories.open(layer, place)
        let tree = try open(layer)
        _ = try directories.writableDirectory()
        return try Self.makeStage(in: holder, beside: tree, of: layer, parents: parents)
    }

    /// The same in any directory of the tree's filesystem.
    package static func makeStage(
        in holder: Directory, beside tree: Directory, of layer: LayerNumber,
        parents: [LayerNumber]
    ) throws(DriverError) -> ApplyTarget {
        do throws(SyscallError) {
            try holder.removeTree(stage)
            try holder.makeDirectory(stage, permissions: 0o700)
            let stage = try holder.openDirectory(stage)
            let namespace = try namespace(of: stage)
            // What the archive does not say of the root stays as it is.
            try stage.descriptor.takeMetadata(
                from: tree.descriptor, try tree.status(), isCopied: AttributeTable.isContent)
            return ApplyTarget(
                stage: stage, namespace: namespace, lower: parents.isEmpty ? .empty : plain(tree))
        } catch {
            throw spaceError("make the stage of layer \(layer)", error, on: holder.descriptor)
        }
    }

    /// Merges the stage into the tree, and removes it: every layer above a snapshot would carry it.
    public func finishApply(
        of layer: LayerNumber, observer: WorkObserver
    ) throws(DriverError) {
        let holder = try directories.open(layer, place)
        let tree = try open(layer)
        guard try directories.status(of: layer, place.appending(Self.stage)) != nil else {
            throw DriverError(.wrongKind, "nothing was applied to layer \(layer)")
        }
        try Self.merge(in: holder, into: tree, of: layer, observer: observer)
    }

    /// The same in any directory of the tree's filesystem.
    package static func merge(
        in holder: Directory, into tree: Directory, of layer: LayerNumber, observer: WorkObserver
    ) throws(DriverError) {
        let stage = try attempting(
            "open the stage of layer \(layer)", try holder.openDirectory(stage))
        let namespace = try attempting(
            "look at the stage of layer \(layer)", try namespace(of: stage))
        try attempting(
            archive: "merge the changes of layer \(layer)",
            try mergeStage(stage, namespace, into: tree, observer: observer))
        _ = try attempting(
            "remove the stage of layer \(layer)", try holder.removeTree(Self.stage))
    }

    /// Where deletions can be recorded: the trusted attributes if they can be set here.
    private static func namespace(
        of stage: Directory
    ) throws(SyscallError) -> OverlayNamespace {
        let key = OverlayNamespace.trusted.name("probe")
        do throws(SyscallError) {
            try stage.descriptor.setAttribute(ExtendedAttribute(name: key, value: [0]))
        } catch let error where error.errno == .notPermitted || error.errno == .notSupported {
            return .user
        }
        try stage.attributes(of: ".").remove(key)
        return .trusted
    }

    /// Two trees to be compared.
    public func diffSource(
        of layer: LayerNumber, from base: LayerNumber?
    ) throws(DriverError) -> DiffSource {
        let new = try open(layer)
        guard let base else { return DiffSource(old: .empty, new: Self.plain(new)) }
        let old = base == layer ? new : try open(base)
        return DiffSource(old: Self.plain(old), new: Self.plain(new))
    }

    /// A tree without marks.
    package static func plain(_ tree: Directory) -> LayeredTree {
        LayeredTree(layers: [tree], whiteouts: .plain)
    }
}
