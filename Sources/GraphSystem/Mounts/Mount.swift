// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
public import SystemPackage

/// One mount, as a value: what will be seen where it is attached.
///
/// Drivers compute these; ``attach(at:)`` is the only place that mounts, apart from ``openDetached()``, whose
/// mount has no place.
public struct Mount: Hashable, Sendable {
    /// What the mount shows.
    public enum Source: Hashable, Sendable {
        /// The tree at a path.
        case bind(FilePath)
        /// Layers merged by overlayfs.
        case overlay(OverlayLayers)
        /// A filesystem on a block device.
        case device(FilePath, type: String, options: [MountOption])
        /// A directory of the filesystem on a thin volume, whose device is made when it is mounted.
        case thin(ThinVolume, directory: RawPath)
        /// An empty directory, which stays so: a tmpfs that is read-only itself.
        case empty
    }

    /// What it shows.
    public let source: Source
    /// What it forbids.
    public let attributes: MountAttributes
    /// What a bind mount allows although the mount whose tree it shows forbids it.
    public let allowed: MountAttributes

    /// Describes a mount.
    public init(
        _ source: Source, attributes: MountAttributes = [], allowing allowed: MountAttributes = []
    ) {
        (self.source, self.attributes) = (source, attributes)
        self.allowed = allowed.subtracting(attributes)
    }

    /// Whether the mount refuses writing.
    public var isReadOnly: Bool { attributes.contains(.readOnly) }

    /// Makes the mount and shows it nowhere: it goes away with the directory that is returned, and at the
    /// latest with the process.
    ///
    /// - Throws: `EOPNOTSUPP` for what can only be mounted at a place.
    public func openDetached() throws(SyscallError) -> Directory {
        switch source {
        case .bind(let path):
            let tree = try checked("open_tree(\(path))") {
                path.withPlatformString { cgraph_open_tree_clone(AT_FDCWD, $0) }
            }
            return Directory(owning: OwnedDescriptor(owning: tree))
        case .overlay(let layers) where !layers.usesOptionString:
            return try layers.configure().directory()
        case .overlay, .device, .thin, .empty:
            throw SyscallError(call: "fsmount", errno: .notSupported)
        }
    }

    /// Makes the mount and shows it at `target`.
    ///
    /// The mount is private: what is mounted below it later does not spread to other namespaces. One that
    /// does not say to be read-only can be written to, or is not made.
    ///
    /// - Parameter target: An existing directory. A symbolic link at its end is followed.
    /// - Throws: The call that failed; ``SyscallError/detail`` holds the kernel's own sentence where
    ///   it has one. Nothing stays mounted then.
    public func attach(at target: FilePath) throws(SyscallError) {
        if let prepared = try prepare() { return try prepared.attach(at: target) }
        switch source {
        case .overlay(let layers): try layers.attachByOptionString(at: target, attributes)
        case .thin(let volume, let directory):
            try volume.attach(directory, at: target, attributes)
        case .bind, .device, .empty: break
        }
    }

    /// Makes the mount, for ``PreparedMount/attach(at:)`` to show it; nil for what can only be mounted at a
    /// place.
    package func prepare() throws(SyscallError) -> PreparedMount? {
        let mount: DetachedMount
        switch source {
        case .bind(let path):
            let tree = try checked("open_tree(\(path))") {
                path.withPlatformString { cgraph_open_tree_clone(AT_FDCWD, $0) }
            }
            mount = DetachedMount(owning: tree)
            if !isReadOnly { try mount.requireWritable("open_tree(\(path))") }
        case .overlay(let layers):
            if layers.usesOptionString { return nil }
            mount = try layers.configure()
        case .device(let path, let type, let options):
            let context = try FilesystemContext(type)
            try context.set("source", string: path.string)
            for option in options { try context.set(option) }
            mount = try context.create()
            if !isReadOnly { try mount.requireWritable("fsconfig(create)") }
        case .thin:
            return nil
        case .empty:
            let context = try FilesystemContext("tmpfs")
            try context.set("mode", string: "0755")
            try context.set(MountOption("ro"))
            mount = try context.create()
        }
        return PreparedMount(mount: mount, attributes: attributes, allowed: allowed)
    }
}

/// A mount that has all but its place, and ends with this value unless it gets one.
package struct PreparedMount: ~Copyable {
    let mount: DetachedMount
    let attributes: MountAttributes
    let allowed: MountAttributes

    /// The kernel's id of it, which it keeps at its place.
    package func id() throws(SyscallError) -> UInt64? {
        try MountPoint.mountID(of: mount.descriptor)
    }

    /// Shows it at an existing directory.
    package consuming func attach(at target: FilePath) throws(SyscallError) {
        try mount.attach(at: target, attributes, allowing: allowed)
    }
}

/// What a mount forbids; `MOUNT_ATTR_*` of mount_setattr(2).
public struct MountAttributes: OptionSet, Hashable, Sendable {
    public let rawValue: CUnsignedInt
    /// Takes raw attributes.
    public init(rawValue: CUnsignedInt) { self.rawValue = rawValue }

    /// Takes all that are given; not generic, as that of ``OpenFlags``.
    public init(arrayLiteral attributes: MountAttributes...) {
        var all: CUnsignedInt = 0
        for attribute in attributes { all |= attribute.rawValue }
        self.init(rawValue: all)
    }

    /// `MOUNT_ATTR_RDONLY`.
    public static let readOnly = MountAttributes(rawValue: CUnsignedInt(CGRAPH_MOUNT_ATTR_RDONLY))
    /// `MOUNT_ATTR_NOSUID`.
    public static let noSetID = MountAttributes(rawValue: CUnsignedInt(CGRAPH_MOUNT_ATTR_NOSUID))
    /// `MOUNT_ATTR_NODEV`.
    public static let noDevices = MountAttributes(rawValue: CUnsignedInt(CGRAPH_MOUNT_ATTR_NODEV))
    /// `MOUNT_ATTR_NOEXEC`.
    public static let noExecution = MountAttributes(
        rawValue: CUnsignedInt(CGRAPH_MOUNT_ATTR_NOEXEC))
}

/// One option of a filesystem: a key alone, or a key with a value.
public struct MountOption: Hashable, Sendable {
    /// The option's name.
    public let key: String
    /// Nil for an option that is a name alone.
    public let value: String?

    /// Makes an option.
    public init(_ key: String, _ value: String? = nil) { (self.key, self.value) = (key, value) }
}

/// A mount that is in no tree yet, and goes away with this value unless it is attached.
struct DetachedMount: ~Copyable {
    let descriptor: OwnedDescriptor

    init(owning raw: CInt) { descriptor = OwnedDescriptor(owning: raw) }

    /// The root of the mount, which ends with it.
    consuming func directory() -> Directory { Directory(owning: descriptor) }

    /// Sets the attributes and moves the mount to its place; `mount_setattr(2)`, `move_mount(2)`.
    consuming func attach(
        at target: FilePath, _ attributes: MountAttributes,
        allowing allowed: MountAttributes = []
    ) throws(SyscallError) {
        let raw = descriptor.rawValue
        if !attributes.isEmpty || !allowed.isEmpty {
            try checked("mount_setattr") {
                cgraph_mount_setattr(raw, UInt64(attributes.rawValue), UInt64(allowed.rawValue))
            }
        }
        try checked("mount_setattr(private)") { cgraph_mount_make_private(raw) }
        try checked("move_mount(\(target))") {
            target.withPlatformString { cgraph_move_mount(raw, $0) }
        }
    }
}

/// A filesystem being configured; `fsopen(2)`.
struct FilesystemContext: ~Copyable {
    private let descriptor: OwnedDescriptor

    init(_ type: String) throws(SyscallError) {
        descriptor = OwnedDescriptor(owning: try checked("fsopen(\(type))") { cgraph_fsopen(type) })
    }

    func set(_ option: MountOption) throws(SyscallError) {
        if let value = option.value {
            try set(option.key, string: value)
        } else {
            try configure("fsconfig(\(option.key))") {
                cgraph_fsconfig_flag(descriptor.rawValue, option.key)
            }
        }
    }

    func set(_ key: String, string value: String) throws(SyscallError) {
        try configure("fsconfig(\(key))") {
            cgraph_fsconfig_string(descriptor.rawValue, key, value)
        }
    }

    func set(_ key: String, directory: borrowing OwnedDescriptor) throws(SyscallError) {
        let raw = directory.rawValue
        try configure("fsconfig(\(key))") { cgraph_fsconfig_fd(descriptor.rawValue, key, raw) }
    }

    /// Makes the filesystem; `FSCONFIG_CMD_CREATE`, `fsmount(2)`.
    func create() throws(SyscallError) -> DetachedMount {
        let raw = descriptor.rawValue
        try configure("fsconfig(create)") { cgraph_fsconfig_create(raw) }
        return DetachedMount(owning: try configure("fsmount") { cgraph_fsmount(raw, 0) })
    }

    /// Makes a call, and takes the kernel's message along when it fails.
    @discardableResult
    private func configure(
        _ call: @autoclosure () -> String, _ body: () -> CInt
    ) throws(SyscallError) -> CInt {
        do throws(SyscallError) {
            return try checked(call(), body)
        } catch {
            throw SyscallError(call: error.call, errno: error.errno, detail: messages())
        }
    }

    /// What the kernel logged for this context, newest last, such as
    /// `overlay: too many lower directories, limit is 500`.
    private func messages() -> String? {
        var lines: [String] = []
        var buffer = [UInt8](repeating: 0, count: 1024)
        while let count = try? descriptor.read(into: &buffer), count > 0, lines.count < 16 {
            // A line begins with its level and a space: `e`, `w` or `i`.
            lines.append(
                String(decoding: buffer[..<count].dropFirst(2), as: UTF8.self)
                    .trimmingSuffix { $0.isNewline })
        }
        return lines.isEmpty ? nil : lines.joined(separator: "; ")
    }
}

extension String {
    fileprivate func trimmingSuffix(_ isTrimmed: (Character) -> Bool) -> String {
        var text = self[...]
        while let last = text.last, isTrimmed(last) { text.removeLast() }
        return String(text)
    }
}
