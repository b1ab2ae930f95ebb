// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
public import SystemPackage

/// The directories and options of one overlayfs.
public struct OverlayLayers: Hashable, Sendable {
    /// The read-only directories, topmost first; at least one.
    public let lowers: [FilePath]
    /// Where changes go; nil for a read-only overlay, which then needs two lowers.
    public let upper: FilePath?
    /// An empty directory beside `upper`, for overlayfs's own use.
    public let work: FilePath?
    /// Further options of overlayfs, such as `metacopy=on`.
    public let options: [MountOption]
    /// For kernels without `lowerdir+`: all goes through the one page of mount(2), with names kept
    /// short by descriptors.
    public let usesOptionString: Bool

    /// Describes an overlay.
    public init(
        lowers: [FilePath], upper: FilePath? = nil, work: FilePath? = nil,
        options: [MountOption] = [], usesOptionString: Bool = false
    ) {
        (self.lowers, self.upper, self.work) = (lowers, upper, work)
        (self.options, self.usesOptionString) = (options, usesOptionString)
    }

    /// fsconfig(2) takes no longer string than this (kernel: fs/fsopen.c).
    private static let stringBytesMax = 255

    /// Sets all up by fsconfig(2), which has no limit on the length of paths in sum, and no
    /// separators that a path would have to escape.
    func configure() throws(SyscallError) -> DetachedMount {
        if upper == nil { return try create() }
        return try withoutFallback(create)
    }

    private func create() throws(SyscallError) -> DetachedMount {
        let context = try FilesystemContext("overlay")
        for option in options { try context.set(option) }
        for lower in lowers { try Self.set("lowerdir+", lower, in: context) }
        if let upper { try Self.set("upperdir", upper, in: context) }
        if let work { try Self.set("workdir", work, in: context) }
        return try context.create()
    }

    /// A short path goes as it is; a long one by descriptor (Linux 6.13), or by the name that
    /// procfs gives to the descriptor.
    static func set(
        _ key: String, _ path: FilePath, in context: borrowing FilesystemContext
    ) throws(SyscallError) {
        // overlayfs takes backslashes in upperdir and workdir for escapes.
        if path.length <= stringBytesMax, let text = String(validating: path),
            !text.utf8.contains(UInt8(ascii: "\\"))
        {
            return try context.set(key, string: text)
        }
        let directory = try OwnedDescriptor.open(path, [.path, .directory])
        do throws(SyscallError) {
            try context.set(key, directory: directory)
        } catch  where error.errno == .invalidArgument {
            try context.set(key, string: directory.procPath.string)
        }
    }

    /// Mounts with one option string of mount(2) whose paths are descriptor numbers, resolved in
    /// `/proc/self/fd`: 500 of them fit into a page whatever the paths are.
    func attachByOptionString(
        at target: FilePath, _ attributes: MountAttributes
    ) throws(SyscallError) {
        let opened = OpenDirectories()
        var numbers: [String] = []
        for lower in lowers { numbers.append(try opened.open(lower)) }
        var parts = ["lowerdir=" + numbers.joined(separator: ":")]
        if let upper { parts.append("upperdir=" + (try opened.open(upper))) }
        if let work { parts.append("workdir=" + (try opened.open(work))) }
        for option in options {
            parts.append(option.key + (option.value.map { "=" + $0 } ?? ""))
        }
        let data = parts.joined(separator: ",")
        let place = try opened.open(target)
        let names = try OwnedDescriptor.open("/proc/self/fd", [.readOnly, .directory])
        var flags: UInt = 0
        if attributes.contains(.readOnly) { flags |= UInt(CGRAPH_MS_RDONLY) }
        if attributes.contains(.noSetID) { flags |= UInt(CGRAPH_MS_NOSUID) }
        if attributes.contains(.noDevices) { flags |= UInt(CGRAPH_MS_NODEV) }
        if attributes.contains(.noExecution) { flags |= UInt(CGRAPH_MS_NOEXEC) }
        try checked("mount(overlay, \(data.utf8.count) bytes of options)") {
            cgraph_mount_relative(names.rawValue, "overlay", place, "overlay", flags, data)
        }
        if upper == nil || attributes.contains(.readOnly) { return }
        do throws(SyscallError) {
            if try MountPoint(target).isReadOnly() { throw fallback() }
        } catch {
            try? MountPoint(target).unmount(detaching: true)
            throw error
        }
    }
}

/// Directories held open while a call names them by number.
private final class OpenDirectories {
    private var held: [Directory] = []

    /// Opens a directory and returns its number as text.
    func open(_ path: FilePath) throws(SyscallError) -> String {
        let directory = Directory(owning: try OwnedDescriptor.open(path, [.path, .directory]))
        held.append(directory)
        return String(directory.raw)
    }
}
