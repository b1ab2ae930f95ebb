// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc
import SystemPackage

/// A mount as mount(8) takes it, and as containerd passes mounts on: for those who mount themselves.
public struct MountArguments: Hashable, Sendable {
    /// The filesystem, or `bind`.
    public let type: String
    /// The directory or the device.
    public let source: String
    /// Options, of which `rbind`, `ro` and `rw` are mount(8)'s and the others the filesystem's.
    public let options: [String]

    /// Describes a mount.
    public init(type: String, source: String, options: [String]) {
        (self.type, self.source, self.options) = (type, source, options)
    }
}

extension Mount {
    /// The mount in words.
    ///
    /// - Throws: `EOPNOTSUPP` for one that words do not make: of a part of a volume that has no device yet, or of
    ///   directories whose paths have characters that separate options.
    public func arguments() throws(SyscallError) -> MountArguments {
        let access = isReadOnly ? "ro" : "rw"
        switch source {
        case .bind(let path):
            return MountArguments(type: "bind", source: path.string, options: ["rbind", access])
        case .overlay(let layers):
            return MountArguments(type: "overlay", source: "overlay", options: try layers.words())
        case .device(let path, let type, let options):
            return MountArguments(
                type: type, source: path.string, options: [access] + options.map(\.word))
        case .thin:
            throw SyscallError(
                call: "mount", errno: .notSupported,
                detail: "a directory of a thin volume cannot be described by one mount")
        case .empty:
            return MountArguments(type: "tmpfs", source: "tmpfs", options: ["ro", "mode=0755"])
        }
    }
}

extension MountOption {
    fileprivate var word: String { value.map { "\(key)=\($0)" } ?? key }
}

extension OverlayLayers {
    /// The options of an overlay; without an upper directory it is read-only by itself.
    fileprivate func words() throws(SyscallError) -> [String] {
        let paths = (lowers + [upper, work].compactMap(\.self)).map(\.string)
        // What escapes them differs between kernels, and who mounts may shorten them.
        if let odd = paths.first(where: { $0.contains { ":,\\".contains($0) } }) {
            throw SyscallError(
                call: "mount(overlay)", errno: .notSupported,
                detail: "the path \(odd) has a colon, a comma or a backslash")
        }
        var words = options.map(\.word)
        if let work { words.append("workdir=\(work)") }
        if let upper { words.append("upperdir=\(upper)") }
        words.append("lowerdir=" + lowers.map(\.string).joined(separator: ":"))
        return words
    }
}
