// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// One directory of a ``LayeredTree``: the directories of the layers that merge there.
struct MergedDirectory {
    /// The directory of one layer.
    struct Part {
        /// The layer's root, which tells layers apart.
        let layer: Directory
        /// The directory from which `path` leads: the layer's root or a directory below it.
        let base: Directory
        /// The way from `base` to this directory; empty for `base` itself.
        let path: RawPath

        /// Opens the directory for listing.
        ///
        /// No link on the way is followed.
        func open() throws(SyscallError) -> Directory {
            path.isEmpty ? base : Directory(owning: try base.openBeneath(path, .directory))
        }

        func status(of name: RawPath) throws(SyscallError) -> FileStatus? {
            try base.statusIfPresent(of: path.appending(name))
        }
    }

    /// Topmost first.
    let parts: [Part]
    let encoding: LayerEncoding

    /// The root of a tree; nil for the empty tree.
    init?(root tree: LayeredTree) {
        if tree.layers.isEmpty { return nil }
        parts = tree.layers.map { Part(layer: $0, base: $0, path: "") }
        encoding = tree.encoding
    }

    private init(parts: [Part], encoding: LayerEncoding) {
        (self.parts, self.encoding) = (parts, encoding)
    }

    /// What the merged tree has under a name.
    ///
    /// As overlayfs decides it: the topmost layer with the name wins; directories merge downwards
    /// until one is opaque or something else is in the way.
    func lookup(_ name: RawPath) throws(SyscallError) -> MergedEntry? {
        var found: (part: Part, status: FileStatus)?
        var merged: [Part] = []
        for (index, part) in parts.enumerated() {
            guard let status = try part.status(of: name) else { continue }
            if encoding.isWhiteout(status) { break }
            if found == nil { found = (part, status) }
            guard status.type == .directory else { break }
            merged.append(try child(of: part, name, isTopmost: index == 0))
            if index + 1 == parts.count { break }
            if try encoding.isOpaque(part.path.appending(name), in: part.base) { break }
        }
        guard let found else { return nil }
        let directory = merged.isEmpty ? nil : MergedDirectory(parts: merged, encoding: encoding)
        return MergedEntry(
            name: name, status: found.status, part: found.part, directory: directory,
            encoding: encoding)
    }

    /// The topmost layer may be changing while it is read, so its directories are held open; those
    /// below never change and are reached by path, which costs no descriptor.
    private func child(
        of part: Part, _ name: RawPath, isTopmost: Bool
    ) throws(SyscallError) -> Part {
        if isTopmost && part.path.isEmpty {
            return Part(layer: part.layer, base: try part.base.openDirectory(name), path: "")
        }
        return Part(layer: part.layer, base: part.base, path: part.path.appending(name))
    }

    /// How many parts at the bottom are the same layers in both directories.
    func sharedCount(with other: MergedDirectory) -> Int {
        zip(parts.reversed(), other.parts.reversed()).prefix { $0.layer === $1.layer }.count
    }

    /// The names in each of the parts above the lowest `skipped`, whiteouts included.
    func listings(above skipped: Int) throws(SyscallError) -> [DirectoryListing] {
        var listings: [DirectoryListing] = []
        for part in parts.dropLast(skipped) { listings.append(try part.open().listing()) }
        return listings
    }
}

/// One name of a merged tree.
struct MergedEntry {
    let name: RawPath
    let status: FileStatus
    /// Where the topmost layer with this name has its directory.
    let part: MergedDirectory.Part
    /// The merged content, for a directory.
    let directory: MergedDirectory?
    let encoding: LayerEncoding

    /// The way from `part.base`.
    var path: RawPath { part.path.appending(name) }

    /// The attributes that belong to the layer's content.
    ///
    /// Left out are overlayfs's own, and SELinux labels, which belong to the host.
    func attributes() throws(ArchiveError) -> [ExtendedAttribute] {
        try encoding.contentAttributes(of: path, in: part.base)
    }

    func readLink() throws(SyscallError) -> RawPath { try part.base.readLink(path) }

    /// Opens a regular file for reading; no link is followed.
    func openFile() throws(SyscallError) -> OwnedDescriptor {
        try part.base.openBeneath(path, [.readOnly, .nonBlocking])
    }
}

extension LayerEncoding {
    /// Whether a name so recorded is a deletion.
    func isWhiteout(_ status: FileStatus) -> Bool {
        self != .plain && status.isWhiteoutDevice
    }

    /// Whether a directory hides those below it.
    func isOpaque(_ name: RawPath, in directory: Directory) throws(SyscallError) -> Bool {
        guard case .overlay(let namespace) = self else { return false }
        return try directory.attribute(namespace.name("opaque"), of: name) == [UInt8(ascii: "y")]
    }

    /// The attributes of a name without those that only serve overlayfs or the host.
    ///
    /// - Throws: ``ArchiveError/Code/unsupported`` for a file whose data or a directory whose
    ///   content lies elsewhere (`metacopy`, `redirect`).
    func contentAttributes(
        of name: RawPath, in directory: Directory
    ) throws(ArchiveError) -> [ExtendedAttribute] {
        let all = try attempting("read attributes of \(name)", try directory.attributes(of: name))
        guard case .overlay(let namespace) = self else {
            return all.filter { !isHostAttribute($0.name) }
        }
        var kept: [ExtendedAttribute] = []
        for attribute in all where !isHostAttribute(attribute.name) {
            guard attribute.name.hasPrefix(namespace.rawValue) else {
                kept.append(attribute)
                continue
            }
            let key = String(attribute.name.dropFirst(namespace.rawValue.count))
            if key == "metacopy" || key == "redirect" {
                throw ArchiveError(.unsupported, "/\(name) has overlayfs's attribute \(key)")
            }
            // overlayfs keeps a user's own `trusted.overlay.X` as `trusted.overlay.overlay.X`.
            if key.hasPrefix("overlay.") {
                kept.append(
                    ExtendedAttribute(
                        name: namespace.rawValue + key.dropFirst(8), value: attribute.value))
            }
        }
        return kept.sorted()
    }
}

/// Whether an attribute is the host's and not the layer's: labels are given by the host's policy,
/// and EVM's value is bound to the host's key.
func isHostAttribute(_ name: String) -> Bool {
    name == "security.selinux" || name == "security.evm"
}
