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
        /// Whether the layer is the tree's topmost, which may be changing while it is read.
        let isLive: Bool
        /// How many directories are held open for this one, `base` included.
        let heldCount: Int

        /// Opens the directory for listing.
        ///
        /// No link on the way is followed.
        func open() throws(SyscallError) -> Directory {
            path.isEmpty ? base : Directory(owning: try base.openBeneath(path, .directory))
        }

        /// An open directory, and the path in it that leads to a name of this directory.
        ///
        /// In a layer that may be changing the path is the name alone, or a link put on the way
        /// would be followed.
        func place(
            of name: RawPath
        ) throws(SyscallError) -> (directory: Directory, path: RawPath) {
            isLive ? (try open(), name) : (base, path.appending(name))
        }

        /// The directory of a name in this one.
        ///
        /// Held open near the root of the topmost layer, where most lookups are, and where the path
        /// would become long; elsewhere reached by path, which costs no descriptor.
        fileprivate func child(_ name: RawPath) throws(SyscallError) -> Part {
            let path = path.appending(name)
            guard isLive && heldCount < Self.heldMax || path.count > Self.pathBytesMax else {
                return Part(
                    layer: layer, base: base, path: path, isLive: isLive, heldCount: heldCount)
            }
            return Part(
                layer: layer, base: Directory(owning: try base.openBeneath(path, .directory)),
                path: "", isLive: isLive, heldCount: heldCount + 1)
        }

        private static let heldMax = 32
        private static let pathBytesMax = 1_024
    }

    /// Topmost first.
    let parts: [Part]
    let encoding: LayerEncoding

    /// The root of a tree; nil for the empty tree.
    init?(root tree: LayeredTree) {
        if tree.layers.isEmpty { return nil }
        parts = tree.layers.enumerated().map { index, layer in
            Part(layer: layer, base: layer, path: "", isLive: index == 0, heldCount: 1)
        }
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
            let place = try part.place(of: name)
            guard let status = try place.directory.statusIfPresent(of: place.path) else { continue }
            if encoding.isWhiteout(status) { break }
            if found == nil { found = (part, status) }
            guard status.type == .directory else { break }
            merged.append(try part.child(name))
            if index + 1 == parts.count { break }
            if try encoding.isOpaque(place.path, in: place.directory) { break }
        }
        guard let found else { return nil }
        let directory = merged.isEmpty ? nil : MergedDirectory(parts: merged, encoding: encoding)
        return MergedEntry(
            name: name, status: found.status, part: found.part, directory: directory,
            encoding: encoding)
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

    /// The attributes that belong to the layer's content.
    ///
    /// Left out are overlayfs's own, and SELinux labels, which belong to the host.
    func attributes() throws(ArchiveError) -> [ExtendedAttribute] {
        let place = try attempting("look at \(name)", try part.place(of: name))
        return try encoding.contentAttributes(of: place.path, in: place.directory)
    }

    func readLink() throws(SyscallError) -> RawPath {
        let place = try part.place(of: name)
        return try place.directory.readLink(place.path)
    }

    /// Opens a regular file for reading; no link is followed.
    func openFile() throws(SyscallError) -> OwnedDescriptor {
        let place = try part.place(of: name)
        return try place.directory.openBeneath(place.path, [.readOnly, .nonBlocking])
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
