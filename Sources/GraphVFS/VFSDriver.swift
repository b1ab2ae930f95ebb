// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
package import GraphCore
package import GraphSystem
package import SystemPackage

/// Layers as whole directory trees, each a copy of its parent's: works on any filesystem.
///
/// ```
/// ROOT/vfs/NUMBER/root     the layer's whole tree
/// ROOT/vfs/NUMBER/stage    a layer tar's changes, from applyTarget to finishApply
/// ROOT/vfs/NUMBER/copied   which files are the parent's (docs/formats/copied.md)
/// ROOT/vfs/NUMBER/use      a link to nothing: the layer was mounted
/// ```
/// Copies share blocks where the filesystem can (`FICLONE`), and take their full size elsewhere.
/// Opening a store that was opened before costs three system calls; the first opening does a whole
/// ``probe(root:)``.
package final class VFSDriver: DirectoryDriver, FreezingDriver {
    package static let name = "vfs"

    package let directories: LayerDirectories
    let trees: WholeTrees
    private let attributes: MountAttributes

    package init(root: FilePath, options: DriverOptions, readOnly: Bool) throws(DriverError) {
        try options.check(known: ["mountopt"], driver: Self.name)
        attributes = try options.mountAttributes(driver: Self.name)
        directories = try LayerDirectories(root: root, driver: Self.name, readOnly: readOnly) {
            () throws(DriverError) in
            try require(Self.probe(root: root), driver: Self.name)
        }
        trees = WholeTrees(directories)
    }

    /// None: each layer is a whole tree.
    package var depthMax: Int? { nil }

    package var capabilities: DriverCapabilities {
        let sharesBlocks = directories.supportsReflink
        return DriverCapabilities(
            hasReflink: sharesBlocks,
            costWithoutReflink: "a new layer is a whole copy of its parent",
            details: ["copies": sharesBlocks ? "reflink" : "copy_file_range(2)"])
    }

    // MARK: Lifecycle

    package func create(
        _ layer: LayerNumber, parents: [LayerNumber], limits: LayerLimits,
        observer: WorkObserver
    ) throws(DriverError) {
        if limits.bytes != nil {
            throw DriverError(.unsupported, "driver vfs cannot limit the size of a layer")
        }
        try trees.create(layer, parents: parents, observer: observer) {
            parent, directory throws(DriverError) in
            try requireSpace(for: parent, in: directory, layer)
            return CopyRecord(in: directory, Self.copied)
        }
    }

    /// Refuses a copy that will not fit, before it is begun.
    ///
    /// A parent is measured only where it could be too large: it takes no more than all that is in
    /// use on the filesystem.
    private func requireSpace(
        for parent: Directory, in directory: Directory, _ layer: LayerNumber
    ) throws(DriverError) {
        let disk = try attempting(
            "look at the filesystem", try directory.descriptor.filesystem())
        let bytesUsedMax = disk.totalBytes - min(disk.availableBytes, disk.totalBytes)
        let inodesUsed = disk.totalInodes - min(disk.freeInodes, disk.totalInodes)
        // Filesystems that make inodes as they are needed tell of none.
        let inodesFit = disk.totalInodes == 0 || disk.freeInodes >= inodesUsed
        if disk.availableBytes >= bytesUsedMax && inodesFit { return }
        let needed = try attempting(
            "measure the parent of layer \(layer)", try TreeUsage(of: parent))
        if disk.totalInodes > 0 && needed.inodes > disk.freeInodes {
            throw DriverError(
                .noSpace,
                "layer \(layer) needs \(needed.inodes) inodes, \(disk.freeInodes) are free",
                resource: .inodes)
        }
        if needed.bytes > disk.availableBytes && !directories.supportsReflink {
            throw DriverError(
                .noSpace,
                "layer \(layer) needs \(needed.bytes) bytes, \(disk.availableBytes) are available",
                resource: .bytes)
        }
    }

    package func seal(
        _ layer: LayerNumber, parents: [LayerNumber], durability: Durability
    ) throws(DriverError) {
        _ = try trees.open(layer)
        if durability == .durable { try directories.sync(layer) }
        try directories.settle(layer)
    }

    package func restore(
        _ layer: LayerNumber, parents: [LayerNumber], limits: LayerLimits,
        observer: WorkObserver
    ) throws(DriverError) -> Bool {
        try directories.restore(layer, needing: WholeTrees.tree) { () throws(DriverError) in
            try create(layer, parents: parents, limits: limits, observer: observer)
        }
    }

    // MARK: Access

    package func mounts(
        for layer: LayerNumber, parents: [LayerNumber], writable: Bool
    ) throws(DriverError) -> [Mount] {
        let mount = try trees.mount(layer, attributes, writable: writable)
        try directories.markBind(of: layer, writable: writable)
        return [mount]
    }

    /// Bind mounts are looked for, see docs/drivers/vfs.md.
    package func unrecordedUse(
        of layer: LayerNumber, before step: LayerStep, hasLostMount: Bool
    ) throws(DriverError) -> LayerUse? {
        try directories.bindUse(
            of: layer, WholeTrees.tree, before: step, hasLostMount: hasLostMount)
    }

    package func freezeMounts(of layer: LayerNumber) throws(DriverError) {
        try directories.freezeBinds(of: layer, WholeTrees.tree)
    }

    /// The whole tree where files cannot share blocks; else without those that the parent counts.
    package func usage(
        of layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> LayerUsage {
        guard directories.supportsReflink else {
            let tree = try trees.open(layer)
            return LayerUsage(try attempting("measure layer \(layer)", try TreeUsage(of: tree)))
        }
        let copies = copies(in: layer)
        return try trees.usage(of: layer, parents: parents) { copies?.isUntouchedCopy($0) ?? false }
    }

    package func usage(
        of layer: LayerNumber, parents: [LayerNumber], walked: TreeUsage
    ) throws(DriverError) -> LayerUsage {
        if parents.isEmpty || !directories.supportsReflink { return LayerUsage(walked) }
        return try usage(of: layer, parents: parents)
    }
}
