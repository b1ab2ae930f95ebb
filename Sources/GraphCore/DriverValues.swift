// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphSystem

/// One thing that a driver needs from the host, tried.
public struct Requirement: Hashable, Sendable {
    /// What was tried, in a few words: `overlay mount`, `trusted xattrs`.
    public let name: String
    /// Whether the driver works without it, only less well.
    public let isOptional: Bool
    /// The call that refused; nil when it worked.
    public let refusal: SyscallError?

    /// Records what came of a call.
    public init(_ name: String, isOptional: Bool = false, refusal: SyscallError?) {
        (self.name, self.isOptional, self.refusal) = (name, isOptional, refusal)
    }

    /// Whether the call worked.
    public var isMet: Bool { refusal == nil }
}

/// What a driver, as set up here, can and cannot do.
public struct DriverCapabilities: Hashable, Sendable {
    /// The most committed layers that a chain may have; nil for no limit.
    ///
    /// An active layer above that many can still be mounted, though not be committed.
    public var depthMax: Int?
    /// Whether a diff costs what changed, and not the size of the tree.
    public var hasNativeDiff: Bool
    /// Whether the size of a layer can be limited.
    public var hasQuota: Bool
    /// Whether copies share blocks until they are written.
    public var hasReflink: Bool
    /// What it costs that copies share no blocks, as a clause: `creating a layer copies its parent`;
    /// nil where nothing is copied.
    public var costWithoutReflink: String?
    /// Whether a layer can be written while its parents still are.
    ///
    /// Then ``Driver/create(_:parents:limits:observer:)`` and ``Driver/applyTarget(for:parents:)`` need
    /// no more than that the parents were created; the root of the layer may then have other
    /// attributes than theirs, which whoever unpacks it sets in the end.
    public var appliesIndependently: Bool
    /// Facts for `graphctl info`, in the order in which to print them.
    public var details: [Detail]

    /// Describes a driver.
    public init(
        depthMax: Int? = nil, hasNativeDiff: Bool = false, hasQuota: Bool = false,
        hasReflink: Bool = false, costWithoutReflink: String? = nil,
        appliesIndependently: Bool = false,
        details: KeyValuePairs<String, String> = [:]
    ) {
        (self.depthMax, self.hasNativeDiff) = (depthMax, hasNativeDiff)
        (self.hasQuota, self.hasReflink) = (hasQuota, hasReflink)
        self.costWithoutReflink = costWithoutReflink
        self.appliesIndependently = appliesIndependently
        self.details = details.map { Detail(key: $0.key, value: $0.value) }
    }

    /// One fact.
    public struct Detail: Hashable, Sendable {
        /// The name, as `info --json` has it.
        public let key: String
        /// The value, for people.
        public let value: String
    }
}

/// The space that a layer takes by itself, without its parents.
public struct LayerUsage: Hashable, Sendable {
    /// Bytes of disk blocks, each inode counted once.
    ///
    /// Blocks shared with other layers by reflink count where the filesystem cannot tell.
    public var bytes: UInt64
    /// Files, directories and all else that has an inode.
    public var inodes: UInt64

    /// Records a measurement.
    public init(bytes: UInt64 = 0, inodes: UInt64 = 0) {
        (self.bytes, self.inodes) = (bytes, inodes)
    }

    /// Takes what a walk has found.
    package init(_ tree: TreeUsage) { self.init(bytes: tree.bytes, inodes: tree.inodes) }
}

/// Limits on what a writable layer may take.
public struct LayerLimits: Hashable, Sendable {
    /// Bytes that the layer's own changes may take; nil for no limit.
    public var bytes: UInt64?

    /// Sets limits.
    public init(bytes: UInt64? = nil) { self.bytes = bytes }

    /// No limits.
    public static let none = LayerLimits()
}

/// When a layer counts as kept.
public enum Durability: String, Hashable, Sendable {
    /// Recorded as committed only after its bytes are on disk.
    case durable
    /// Recorded at once; a power cut may damage the layer.
    case unsynced
}

/// Something that a driver found below its root.
public struct InventoryItem: Hashable, Sendable {
    /// What it is.
    public enum Kind: Hashable, Sendable {
        /// The bytes of a layer.
        case layer(LayerNumber)
        /// Removed, and waiting to be freed.
        case trash
        /// Nothing that this driver makes.
        case foreign
    }

    /// What it is.
    public let kind: Kind
    /// Where it is, relative to the store's root, or a name in the kernel or pool.
    public let location: String
    /// The bytes that come free with it, where the driver can tell without a walk.
    public let bytes: UInt64?

    /// Records a find.
    public init(_ kind: Kind, location: String, bytes: UInt64? = nil) {
        (self.kind, self.location, self.bytes) = (kind, location, bytes)
    }
}

/// Settings for a driver, as `--storage-opt KEY=VALUE` gives them.
public struct DriverOptions: Hashable, Sendable {
    /// By key, without the driver's prefix.
    public let values: [String: String]

    /// Takes settings.
    public init(_ values: [String: String] = [:]) { self.values = values }

    /// Refuses settings that the driver does not know.
    ///
    /// - Throws: ``DriverError/Code/invalidArgument``, naming the key and those that are known.
    public func check(known: [String], driver: String) throws(DriverError) {
        for key in values.keys.sorted() where !known.contains(key) {
            let list = known.isEmpty ? "it has none" : "known: " + known.joined(separator: ", ")
            throw DriverError(
                .invalidArgument, "driver \(driver) has no option \(key); \(list)")
        }
    }

    /// What the option `mountopt` asks of every mount of a layer: some of `nodev`, `nosuid` and
    /// `noexec`, with commas between; and what holds for the driver anyway.
    ///
    /// - Throws: ``DriverError/Code/invalidArgument`` for others, naming these.
    public func mountAttributes(
        driver: String, besides fixed: [String] = []
    ) throws(DriverError) -> MountAttributes {
        var attributes: MountAttributes = []
        guard let list = values["mountopt"] else { return attributes }
        for option in list.split(separator: ",").map(String.init) where !fixed.contains(option) {
            switch option {
            case "nodev": attributes.insert(.noDevices)
            case "noexec": attributes.insert(.noExecution)
            case "nosuid": attributes.insert(.noSetID)
            default:
                throw DriverError(
                    .invalidArgument,
                    "driver \(driver): mountopt does not take \(option); it takes "
                        + (["nodev", "noexec", "nosuid"] + fixed).joined(separator: ", "))
            }
        }
        return attributes
    }
}
