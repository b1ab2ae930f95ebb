// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
package import GraphCore
package import GraphSystem
package import SystemPackage

/// Layers as btrfs subvolumes, each a snapshot of its parent's: making one costs the same for any
/// size, and no file is ever copied before it is written.
///
/// Quotas are used where an administrator has switched them on, and never switched on here.
package final class BtrfsDriver: DirectoryDriver, FreezingDriver {
    package static let name = BtrfsLayout.driver
    package static let livesOnLoopImage = false

    package let directories: LayerDirectories
    let trees: WholeTrees
    let options: BtrfsOptions
    private let removal: SubvolumeRemoval

    package init(root: FilePath, options: DriverOptions, readOnly: Bool) throws(DriverError) {
        self.options = try BtrfsOptions(options)
        let removal = SubvolumeRemoval()
        self.removal = removal
        directories = try LayerDirectories(
            root: root, driver: Self.name, readOnly: readOnly,
            emptying: { directory throws(SyscallError) in try removal.empty(directory) },
            beforeMaking: { () throws(DriverError) in
                try require(Self.probe(root: root), driver: Self.name)
            })
        trees = WholeTrees(directories, at: BtrfsLayout.subvolume)
        // What cannot be cleared now is in the inventory.
        if !readOnly { try? directories.clearAbandonedScratch() }
    }

    /// None: each layer is a whole tree.
    package var depthMax: Int? { nil }

    package var capabilities: DriverCapabilities {
        let quotas = quotaState
        let kind = quotas.map { !$0.isOn ? "off" : $0.isSimple ? "simple" : "quota groups" }
        let freeing = freeingCount().map(String.init)
        return DriverCapabilities(
            // Whoever may ask for quotas may ask for differences.
            hasNativeDiff: quotas != nil && !options.differences.isEmpty,
            hasQuota: quotas?.isOn ?? false, hasReflink: true,
            details: [
                "quotas": kind ?? "not for this user",
                "diffs": quotas == nil || options.differences.isEmpty
                    ? "by comparing whole trees" : "by \(options.differences[0])",
                "subvolumes being freed": freeing ?? "not for this user",
            ])
    }

    /// Whether and how the filesystem counts; nil where this user cannot ask.
    private var quotaState: SubvolumeQuotaState? { try? filesystem?.quotaState() }

    /// nil while there is no store.
    private var filesystem: BtrfsFilesystem? {
        directories.openedDirectory.map { BtrfsFilesystem(of: $0) }
    }

    /// Opens the subvolume of a layer.
    func subvolume(of layer: LayerNumber) throws(DriverError) -> Subvolume {
        Subvolume(try directories.open(layer, BtrfsLayout.subvolume))
    }

    // MARK: Lifecycle

    package func create(
        _ layer: LayerNumber, parents: [LayerNumber], limits: LayerLimits,
        observer: WorkObserver
    ) throws(DriverError) {
        let limit = try options.limit(limits)
        if limit != nil, quotaState?.isOn != true {
            throw DriverError(
                .unsupported,
                "driver btrfs limits the size of layers only where quotas are on, as after: "
                    + "btrfs quota enable \(directories.root)")
        }
        let parent = try parents.first.map { (nearest) throws(DriverError) in
            try subvolume(of: nearest)
        }
        try directories.create(layer) { directory throws(DriverError) in
            do throws(SyscallError) {
                try Self.fill(directory, from: parent)
                let subvolume = try Subvolume(BtrfsLayout.subvolume, in: directory)
                try Self.setLimit(limit, of: subvolume)
            } catch {
                throw spaceError("make layer \(layer)", error, on: directory.descriptor)
            }
        }
    }

    /// Makes a layer's subvolume.
    private static func fill(_ directory: Directory, from parent: Subvolume?) throws(SyscallError) {
        if let parent { return try parent.makeSnapshot(BtrfsLayout.subvolume, in: directory) }
        try Subvolume.make(BtrfsLayout.subvolume, in: directory)
        let subvolume = try directory.openDirectory(BtrfsLayout.subvolume)
        try subvolume.descriptor.setPermissions(0o700)
        let tree = try subvolume.makeOrOpenDirectory(WholeTrees.tree, permissions: 0o755)
        try tree.descriptor.setPermissions(0o755)
    }

    /// Sets or takes away the limit of a subvolume, which began with that of its parent.
    static func setLimit(_ bytes: UInt64?, of subvolume: Subvolume) throws(SyscallError) {
        do throws(SyscallError) {
            try subvolume.setLimit(exclusiveBytes: bytes)
        } catch {
            // Where quotas are off, or for others than root, there is no limit to take away.
            if bytes != nil { throw error }
        }
    }

    package func seal(
        _ layer: LayerNumber, parents: [LayerNumber], durability: Durability
    ) throws(DriverError) {
        let subvolume = try subvolume(of: layer)
        _ = try directories.writableDirectory()
        // The data first: making a subvolume read-only commits names and sizes alone.
        if durability == .durable { try directories.sync(layer) }
        do throws(SyscallError) {
            if try !subvolume.isReadOnly() { try subvolume.setReadOnly(true) }
        } catch {
            throw DriverError("make layer \(layer) read-only", error)
        }
        try directories.settle(layer)
    }

    /// Destroys what was removed; the kernel frees it in the background, and is waited for only
    /// where there is hardly any room.
    @discardableResult
    package func reclaim(observer: WorkObserver) throws(DriverError) -> UInt64 {
        let freed = try directories.reclaim(observer: observer)
        let directory = try directories.writableDirectory()
        try attempting(
            "wait for freed space",
            try removal.awaitRoom(in: directory) {
                (try? observer.report(WorkProgress(phase: "freeing", completedBytes: freed))) == nil
            })
        return freed
    }

    /// What there is; of what was removed also the bytes that come free, where quotas tell.
    package func inventory() throws(DriverError) -> [InventoryItem] {
        let items = try directories.inventory()
        guard quotaState?.isExact == true, items.contains(where: { $0.kind == .trash }),
            let root = try? Directory(opening: directories.root)
        else { return items }
        return items.map { item in
            if item.kind != .trash { return item }
            let place = RawPath(item.location).appending(BtrfsLayout.subvolume)
            let usage = try? root.openIfPresent(place).map { Subvolume($0) }?.quotaUsage()
            return InventoryItem(.trash, location: item.location, bytes: usage?.exclusiveBytes)
        }
    }

    package func freeingCount() -> Int? { try? filesystem?.deadSubvolumeCount() }

    // MARK: Access

    package func mounts(
        for layer: LayerNumber, parents: [LayerNumber], writable: Bool
    ) throws(DriverError) -> [Mount] {
        let mount = try trees.mount(layer, options.attributes, writable: writable)
        try directories.markBind(of: layer, writable: writable)
        return [mount]
    }

    /// Bind mounts are looked for: a subvolume that is set read-only still takes what is written to files
    /// that were open for it.
    package func unrecordedUse(
        of layer: LayerNumber, before step: LayerStep, hasLostMount: Bool
    ) throws(DriverError) -> LayerUse? {
        let tree = BtrfsLayout.subvolume.appending(WholeTrees.tree)
        return try directories.bindUse(
            of: layer, tree, before: step, hasLostMount: hasLostMount)
    }

    package func freezeMounts(of layer: LayerNumber) throws(DriverError) {
        try directories.freezeBinds(of: layer, BtrfsLayout.subvolume.appending(WholeTrees.tree))
    }

    package func reopen(_ layer: LayerNumber) throws(DriverError) {
        let subvolume = try subvolume(of: layer)
        _ = try directories.writableDirectory()
        do throws(SyscallError) {
            if try subvolume.isReadOnly() { try subvolume.setReadOnly(false) }
        } catch {
            throw DriverError("make layer \(layer) writable", error)
        }
        try directories.settleIfMarked(layer)
    }

    /// By a walk, with quotas as well: their groups count blocks of metadata, no inodes, and all as of the
    /// last commit.
    package func usage(
        of layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> LayerUsage {
        let subvolume = try subvolume(of: layer)
        let made = try attempting("look at layer \(layer)", try subvolume.status()).made
        // Nobody sets the time of an inode's last change; in a tick of the clock both may have happened.
        return try trees.usage(of: layer, parents: parents) { $0.changed < made }
    }

    package func usage(
        of layer: LayerNumber, parents: [LayerNumber], walked: TreeUsage
    ) throws(DriverError) -> LayerUsage {
        parents.isEmpty ? LayerUsage(walked) : try usage(of: layer, parents: parents)
    }
}
