// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
public import GraphSystem
public import SystemPackage

/// What a writable layer is to be.
public struct LayerRequest: Hashable, Sendable {
    /// Its id; nil for 64 random digits.
    public var id: String?
    /// What it is called beside its id; nil for nothing.
    public var name: String?
    /// The committed layer that it is put on, or the image; nil for an empty layer.
    public var parent: String?
    /// Its labels.
    public var labels: [String: String]
    /// What it may take.
    public var limits: LayerLimits
    /// Whether nothing of it is synced before it is committed, so that a stop of the machine takes it.
    public var isVolatile: Bool
    /// Files and directories of the parent to copy up now; paths from the layer's root.
    public var copyUp: [RawPath]

    /// Describes a layer.
    public init(
        id: String? = nil, name: String? = nil, parent: String? = nil,
        labels: [String: String] = [:], limits: LayerLimits = .none, volatile: Bool = false,
        copyUp: [RawPath] = []
    ) {
        (self.id, self.name, self.parent, self.labels) = (id, name, parent, labels)
        (self.limits, isVolatile, self.copyUp) = (limits, volatile, copyUp)
    }
}

/// The outcome of applying a layer tar.
public struct AppliedLayer: Hashable, Sendable {
    /// The record of the layer.
    public let layer: Layer
    /// Whether the store had the layer already, and nothing was added.
    public let wasPresent: Bool
    /// Bytes of the uncompressed stream that was read.
    public let streamBytes: UInt64
    /// Where the time went.
    public let timings: WorkTimings
    /// What is not in the layer as the tar says, once for each kind; empty where nothing was unpacked.
    public let warnings: [LayerWarning]

    init(
        layer: Layer, wasPresent: Bool, streamBytes: UInt64, timings: WorkTimings,
        warnings: [LayerWarning] = []
    ) {
        (self.layer, self.wasPresent, self.streamBytes) = (layer, wasPresent, streamBytes)
        (self.timings, self.warnings) = (timings, warnings)
    }
}

/// A place where a layer is mounted.
public struct MountedLayer: Hashable, Sendable {
    /// The record of the layer.
    public let layer: Layer
    /// The mount point.
    public let path: FilePath
    /// How often it was mounted here and not yet unmounted; 0 once the mount is gone.
    public let count: Int
}

/// The space of one layer.
public struct StoredUsage: Hashable, Sendable {
    /// Without the parents.
    public let own: LayerUsage
    /// With all parents.
    public let total: LayerUsage
}

/// The space of a whole store.
public struct DiskUsage: Hashable, Sendable {
    /// One layer's part.
    public struct Entry: Hashable, Sendable {
        /// The layer's id.
        public let id: String
        /// Its kind.
        public let kind: Layer.Kind
        /// Recorded for committed layers and nothing for views; nil for an active layer that was not measured,
        /// or went away while it was.
        public let usage: LayerUsage?
        /// How many layers have this one as parent.
        public let children: Int
    }

    /// Oldest first.
    public let layers: [Entry]
    /// The sum over all layers whose space is known.
    public let used: LayerUsage
    /// Bytes of the filesystem that holds the store.
    public let filesystemBytes: UInt64
    /// Bytes of it that are left for a user without privileges.
    public let availableBytes: UInt64
    /// Inodes of the filesystem; 0 where it has no such limit.
    public let filesystemInodes: UInt64
    /// Inodes that are free; 0 where the filesystem makes them as they are needed.
    public let freeInodes: UInt64
}

/// A difference between records, disk and kernel.
public struct Finding: Hashable, Sendable {
    /// What is wrong.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// The database itself is damaged.
        case databaseDamaged = "database_damaged"
        /// The records are older than the disk, and the store takes no changes.
        case recordsLost = "records_lost"
        /// The driver's state and the store are not from the same time, and nothing can be changed.
        case driverMismatched = "driver_mismatched"
        /// A record says something that cannot be, such as a parent that is not committed.
        case recordInvalid = "record_invalid"
        /// A layer is recorded, but its bytes are gone.
        case layerMissing = "layer_missing"
        /// The recipe of an applied layer is gone; the layer itself is not concerned.
        case recipeMissing = "recipe_missing"
        /// A layer's content is not what was committed.
        case contentChanged = "content_changed"
        /// A layer could not be looked at now; nothing is known to be wrong with it.
        case notChecked = "not_checked"
        /// An operation was cut off; the next opening or collection clears it.
        case interruptedOperation = "interrupted_operation"
        /// Bytes of a layer that no record owns.
        case unownedLayer = "unowned_layer"
        /// Removed, and waiting to be freed.
        case trash
        /// Something in the store's directories that the store does not make.
        case foreignFile = "foreign_file"
        /// A mount is recorded that the kernel does not know.
        case staleMount = "stale_mount"
        /// The loop image has no room below it, or was not grown to its end.
        case loopImage = "bed"
    }

    /// What was found.
    public let kind: Kind
    /// The layer, path or record concerned.
    public let subject: String
    /// One sentence for a person.
    public let message: String
    /// Bytes that clearing it frees, where known.
    public let bytes: UInt64?

    /// Describes a finding.
    public init(_ kind: Kind, _ subject: String, _ message: String, bytes: UInt64? = nil) {
        (self.kind, self.subject, self.message, self.bytes) = (kind, subject, message, bytes)
    }

    /// Whether data are lost or records are wrong, and not only something left to clear.
    public var isDamage: Bool {
        switch kind {
        case .databaseDamaged, .recordsLost, .driverMismatched, .recordInvalid, .layerMissing,
            .recipeMissing, .contentChanged, .unownedLayer:
            true
        case .notChecked, .interruptedOperation, .trash, .foreignFile, .staleMount, .loopImage:
            false
        }
    }
}

/// What a store is and holds.
public struct StoreInfo: Hashable, Sendable {
    /// Where the store is.
    public let root: FilePath
    /// Where mounts are recorded and attached.
    public let runRoot: FilePath
    /// Tells this store from all others, for as long as it exists.
    public let storeID: String
    /// The driver's name.
    public let driver: String
    /// What the driver can do as it is set up.
    public let capabilities: DriverCapabilities
    /// How many migrations the database has seen.
    public let formatVersion: Int
    /// Whether the store was opened for reading.
    public let isReadOnly: Bool
    /// What new layers are promised.
    public let durability: Durability
    /// The type of the filesystem below the store, as mount(8) spells it.
    public let filesystem: String
    /// How many layers are committed.
    public let committedLayers: Int
    /// How many layers are active.
    public let activeLayers: Int
    /// How many views there are.
    public let views: Int
    /// Layers that are mounted somewhere.
    public let mountedLayers: Int
    /// What the store lies on, where it brought that along.
    public let loopImage: LoopImageStatus?

    /// What an operator should know, each a sentence without a full stop at its end.
    public var warnings: [String] {
        var warnings: [String] = []
        if !capabilities.hasReflink, let cost = capabilities.costWithoutReflink {
            warnings.append(
                "files on \(filesystem) cannot share blocks, so \(cost); a new store can bring a "
                    + "filesystem along on which they do (init --loop-image xfs-image, as root)")
        }
        if let loopImage, loopImage.isShort {
            warnings.append(
                "the filesystem below the loop image has \(loopImage.hostAvailableBytes) bytes left"
            )
        }
        return warnings
    }
}
