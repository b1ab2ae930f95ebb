// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
package import GraphCore
package import GraphSystem
import Synchronization
package import SystemPackage

/// Layers as directories of changes, merged by overlayfs when they are mounted.
///
/// Opening a store costs five system calls; see ``init(root:options:readOnly:)``.
package final class OverlayDriver: DirectoryDriver {
    package static let name = OverlayLayout.driver

    /// The lower directories that one overlayfs takes (kernel: `OVL_MAX_STACK`).
    static let lowersMax = 500

    package let directories: LayerDirectories
    let layout: OverlayLayout
    let options: OverlayOptions
    /// Where opaque directories are recorded: what the store was begun with.
    let namespace: OverlayNamespace
    private let optionString = Mutex<Bool?>(nil)

    /// Opens the driver's part of a store.
    ///
    /// A store that was opened before costs an open of the root and of the driver's directory, one
    /// `fstatfs(2)`, and the reading of one attribute (two in a user namespace): it is the mark
    /// that a whole ``probe(root:)`` has passed here, and says where overlayfs keeps its
    /// attributes. The first opening does that probe.
    package init(root: FilePath, options: DriverOptions, readOnly: Bool) throws(DriverError) {
        self.options = try OverlayOptions(options)
        var tried: OverlayNamespace?
        directories = try LayerDirectories(root: root, driver: Self.name, readOnly: readOnly) {
            () throws(DriverError) in
            tried = try Self.requireAll(root: root)
        }
        layout = OverlayLayout(root: directories.root)
        if let known = try ProbeMark(in: directories).namespace() {
            namespace = known
        } else if readOnly {
            namespace = .trusted
        } else {
            // The mark is missing where an earlier opening died before it.
            namespace = if let tried { tried } else { try Self.requireAll(root: directories.root) }
            try Self.makeEmptyLower(in: try directories.writableDirectory())
            try ProbeMark(in: directories).write(namespace)
        }
        if !self.options.references.isEmpty {
            try requireReferences(tries: !readOnly)
        }
    }

    package var depthMax: Int? { Self.lowersMax }

    /// What the layers refer to.
    var references: LayerReferences {
        LayerReferences(directories: directories, namespace: namespace, wanted: options.references)
    }

    package var capabilities: DriverCapabilities {
        DriverCapabilities(
            depthMax: depthMax, hasNativeDiff: true, hasReflink: directories.supportsReflink,
            costWithoutReflink: costWithoutReflink, appliesIndependently: true,
            details: [
                "xattrs": namespace.rawValue + "*",
                "mount": usesOptionString
                    ? "mount(2), one option string" : "fsconfig(2), lowerdir+",
                "options": options.kernelOptions(
                    namespace, ReferenceMark(own: options.references), writable: true
                )
                .map { $0.key + ($0.value.map { "=" + $0 } ?? "") }.joined(separator: ","),
            ])
    }

    private var costWithoutReflink: String {
        let first = "the first write to a file of a parent copies the whole file"
        // A user namespace has no metacopies.
        if namespace == .user || options.references.contains(.metacopies) { return first }
        return first
            + ", and so does the first change of its mode, owner or attributes unless the store is "
            + "opened with metacopy=on"
    }

    /// Whether lower directories must go through the one option string of mount(2), found out at
    /// the first need.
    var usesOptionString: Bool {
        optionString.withLock { known in
            if let known { return known }
            // A kernel that cannot even be asked has only the old way.
            let found = (try? OverlayLayers.takesLowersOneByOne(lower: layout.directory)) != true
            known = found
            return found
        }
    }

    // MARK: Lifecycle

    package func create(
        _ layer: LayerNumber, parents: [LayerNumber], limits: LayerLimits,
        observer: WorkObserver
    ) throws(DriverError) {
        if limits.bytes != nil {
            throw DriverError(.unsupported, "driver overlay cannot limit the size of a layer")
        }
        let parent: Directory?
        var mark: ReferenceMark?
        if let nearest = parents.first {
            parent = try directories.open(nearest, OverlayLayout.diff)
            mark = try references.mark(of: nearest).map { ReferenceMark(chain: $0.chain) }
        } else {
            parent = nil
        }
        try directories.create(layer) { directory throws(DriverError) in
            do throws(SyscallError) {
                if let mark { try references.write(mark, to: directory) }
                let diff = try directory.makeOrOpenDirectory(OverlayLayout.diff, permissions: 0o755)
                if let parent {
                    try directory.makeDirectory(OverlayLayout.work, permissions: 0o700)
                    // The root of the merged tree has the attributes of the topmost directory.
                    try diff.descriptor.takeMetadata(
                        from: parent.descriptor, try parent.status(),
                        isCopied: { [namespace] in !namespace.isMark($0) })
                } else {
                    try diff.descriptor.setPermissions(0o755)
                }
            } catch {
                throw spaceError("make layer \(layer)", error, on: directory.descriptor)
            }
        }
    }

    package func seal(
        _ layer: LayerNumber, parents: [LayerNumber], durability: Durability
    ) throws(DriverError) {
        let directory = try directories.open(layer)
        let isVolatile = try volatileLayers.requireWhole(layer) != nil
        if durability == .durable { try directories.sync(layer) }
        try directories.settle(layer)
        if isVolatile { try volatileLayers.forget(layer, in: directory) }
        // Last, so that a layer whose bytes did not reach the disk is as it was.
        _ = try attempting(
            "remove the work directory of layer \(layer)",
            try directory.removeTree(OverlayLayout.work))
    }

    package func restore(
        _ layer: LayerNumber, parents: [LayerNumber], limits: LayerLimits,
        observer: WorkObserver
    ) throws(DriverError) -> Bool {
        try directories.restore(
            layer, needing: OverlayLayout.diff,
            isUntouched: { () throws(DriverError) in
                let diff = try directories.open(layer, OverlayLayout.diff)
                return try attempting("look at layer \(layer)", try diff.listing()).isEmpty
            },
            make: { () throws(DriverError) in
                try create(layer, parents: parents, limits: limits, observer: observer)
            })
    }

    package func inventory() throws(DriverError) -> [InventoryItem] {
        try directories.inventory().filter { $0.location != "\(Self.name)/\(OverlayLayout.empty)" }
    }

    package func usage(
        of layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> LayerUsage {
        let diff = try directories.open(layer, OverlayLayout.diff)
        let usage = try attempting("measure layer \(layer)", try TreeUsage(of: diff))
        return LayerUsage(usage)
    }

    package func usage(
        of layer: LayerNumber, parents: [LayerNumber], walked: TreeUsage
    ) throws(DriverError) -> LayerUsage {
        LayerUsage(walked)
    }
}
