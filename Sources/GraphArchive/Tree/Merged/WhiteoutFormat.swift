// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Where overlayfs keeps its own extended attributes.
package enum OverlayNamespace: String, Hashable, Sendable {
    /// `trusted.overlay.`, for root of the initial user namespace.
    case trusted = "trusted.overlay."
    /// `user.overlay.`, in other user namespaces (mount option `userxattr`).
    case user = "user.overlay."

    /// The full name of an attribute, such as `trusted.overlay.opaque`.
    package func name(_ key: String) -> String { rawValue + key }

    /// Whether an overlay obeys an attribute, and does not only keep it for somebody else.
    package func isMark(_ name: String) -> Bool {
        name.hasPrefix(rawValue) && !name.hasPrefix(self.name(Self.escape))
    }

    /// What stands behind the beginning of a name that overlayfs keeps for an overlay in its mount:
    /// a user's own `trusted.overlay.X` is `trusted.overlay.overlay.X` in the layer (Linux 6.7).
    private static let escape = "overlay."

    /// The name below which an overlay keeps a user's own attribute, as archives have it, too.
    package func escaped(_ name: String) -> String {
        self.name(Self.escape + name.dropFirst(rawValue.count))
    }

    /// The user's own name of an attribute that is kept for an overlay in the mount; nil for one that is
    /// not.
    package func unescaped(_ name: String) -> String? {
        guard name.hasPrefix(self.name(Self.escape)) else { return nil }
        return rawValue + name.dropFirst(rawValue.count + Self.escape.count)
    }

    /// The namespace that an attribute's name is in.
    package init?(of name: String) {
        guard let found = [Self.trusted, .user].first(where: { name.hasPrefix($0.rawValue) })
        else { return nil }
        self = found
    }
}

/// How a directory of a ``LayeredTree`` records what its layer deletes.
package enum WhiteoutFormat: Hashable, Sendable {
    /// It records nothing: the directory is a whole tree.
    case plain
    /// As overlayfs does: a character device 0:0 for a deleted name, the attribute `opaque` on a
    /// directory that hides those below it, and in layers that may refer to others `redirect`,
    /// `metacopy` and `whiteout`.
    case overlay(OverlayNamespace)
}

extension WhiteoutFormat {
    /// What the attributes of a directory say about those below it.
    struct DirectoryMarks {
        let isOpaque: Bool
        let redirect: [UInt8]?
    }

    /// Whether a name so recorded is a deletion.
    func isWhiteout(_ status: FileStatus) -> Bool {
        self != .plain && status.isWhiteoutDevice
    }

    /// Whether a directory hides those below it.
    func isOpaque(_ name: RawPath, in directory: Directory) throws(SyscallError) -> Bool {
        try value(of: "opaque", name, in: directory) == [UInt8(ascii: "y")]
    }

    /// One of overlayfs's own attributes.
    func value(
        of key: String, _ name: RawPath, in directory: Directory
    ) throws(SyscallError) -> [UInt8]? {
        guard case .overlay(let namespace) = self else { return nil }
        return try directory.attributes(of: name).value(of: namespace.name(key))
    }

    /// Reads what a directory says about those below it; nil when it says nothing.
    ///
    /// Most say nothing, which their list of attributes tells in one call.
    func directoryMarks(
        of name: RawPath, in directory: Directory
    ) throws(SyscallError) -> DirectoryMarks? {
        guard case .overlay(let namespace) = self else { return nil }
        let names = try directory.attributes(of: name).names()
        if names.contains(namespace.name("opaque")), try isOpaque(name, in: directory) {
            return DirectoryMarks(isOpaque: true, redirect: nil)
        }
        guard names.contains(namespace.name("redirect")) else { return nil }
        return DirectoryMarks(
            isOpaque: false, redirect: try value(of: "redirect", name, in: directory))
    }

    /// Whether a regular file has its data elsewhere.
    ///
    /// The attribute is empty, or a header (version 0, own length, flags, algorithm) and the digest
    /// that fs-verity gives the data (kernel: `struct ovl_metacopy`). The digest is not checked: that
    /// is what the mount option `verity` asks for, which no store here sets.
    func isMetacopy(_ name: RawPath, in directory: Directory) throws(SyscallError) -> Bool {
        guard let value = try value(of: "metacopy", name, in: directory) else { return false }
        let isSound =
            value.isEmpty
            || value.count >= 4 && value[0] == 0 && Int(value[1]) == value.count
        if !isSound {
            throw SyscallError.damage("metacopy of \(name)", "it is in no known format")
        }
        return true
    }

    /// The attributes of a name without those that only serve overlayfs or the host.
    ///
    /// - Throws: ``SyscallError/isDamage`` when the name refers to another layer and `mayRefer` says
    ///   that this one cannot: overlayfs would refuse to show it.
    func contentAttributes(
        of name: RawPath, in directory: Directory, _ type: FileType, mayRefer: Bool
    ) throws(ArchiveError) -> [ExtendedAttribute] {
        do throws(SyscallError) {
            var kept: [ExtendedAttribute] = []
            for attribute in try directory.attributes(of: name).names()
            where AttributeTable.isContent(attribute) {
                guard let shown = try contentName(attribute, of: name, type, mayRefer),
                    let value = try directory.attributes(of: name).value(of: attribute)
                else { continue }
                kept.append(ExtendedAttribute(name: shown, value: value))
            }
            return kept.sorted()
        } catch {
            throw ArchiveError(.system, "could not read attributes of \(name)", cause: error)
        }
    }

    /// What an attribute is called in the layer's content; nil for one that serves overlayfs alone.
    private func contentName(
        _ attribute: String, of name: RawPath, _ type: FileType, _ mayRefer: Bool
    ) throws(SyscallError) -> String? {
        guard case .overlay(let namespace) = self, attribute.hasPrefix(namespace.rawValue) else {
            return attribute
        }
        let key = String(attribute.dropFirst(namespace.rawValue.count))
        if !mayRefer && type.isReference(key) {
            throw SyscallError.damage("\(key) of \(name)", "the layer must not have it")
        }
        return namespace.unescaped(attribute)
    }
}

extension FileType {
    /// Whether overlayfs's attribute of this key makes something of this type refer to other
    /// layers.
    fileprivate func isReference(_ key: String) -> Bool {
        switch self {
        case .directory: key == "redirect"
        case .regular: key == "metacopy" || key == "whiteout"
        case .symbolicLink, .characterDevice, .blockDevice, .fifo, .socket: false
        }
    }
}
