// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

import struct SystemPackage.Errno

extension LayerUnpacker {
    /// The attributes that a member shall have, under the names that they have in the layer's directory.
    ///
    /// ``AttributeTable`` says which; those left out are taken note of.
    mutating func storedAttributes(of entry: ArchiveEntry) -> [ExtendedAttribute] {
        var stored: [ExtendedAttribute] = []
        for attribute in entry.attributes {
            let (name, value) = (attribute.name, attribute.value)
            let kept: String
            switch AttributeTable.owner(of: name) {
            case .host, .alias:
                leaveOut(.hostAttribute, name, entry)
                continue
            case .overlay:
                // What an overlay's own directories had is not a layer's, but a user's attribute is
                // written as overlayfs keeps it.
                guard let own = OverlayNamespace(of: name)?.unescaped(name) else {
                    leaveOut(.overlayAttribute, name, entry)
                    continue
                }
                kept = own
            case .layer:
                kept = name
            }
            if AttributeTable.isForFilesOnly(kept) && !entry.kind.hasUserAttributes {
                leaveOut(.misplacedAttribute, name, entry)
                continue
            }
            stored.append(ExtendedAttribute(name: target.marks.storedName(kept), value: value))
        }
        return stored
    }

    private mutating func leaveOut(
        _ kind: LayerWarning.Kind, _ name: String, _ entry: ArchiveEntry
    ) {
        warnings.add(kind, "\(name) of \(entry.shownPath)")
    }

    /// Gives a directory exactly the attributes of its member; its time is set in the end.
    mutating func setMetadata(
        of directory: UnpackDirectory, _ entry: ArchiveEntry
    ) throws(ArchiveError) {
        do throws(SyscallError) {
            try setMetadataChecked(of: directory, entry)
        } catch {
            throw ArchiveError(
                .system, "could not set the attributes of /\(directory.path)", cause: error)
        }
    }

    mutating func setMetadataChecked(
        of directory: UnpackDirectory, _ entry: ArchiveEntry
    ) throws(SyscallError) {
        let descriptor = try directory.handle
        try descriptor.descriptor.setOwner(uid: entry.uid, gid: entry.gid)
        try descriptor.descriptor.setPermissions(entry.permissions)
        // A directory made as the parents have it, or named twice, may have others.
        let old = try descriptor.attributes(of: ".").all().filter {
            AttributeTable.isContent($0.name) && !target.marks.isMark($0.name)
        }
        let stored = storedAttributes(of: entry)
        if !old.isEmpty {
            let kept = Set(stored.map(\.name))
            for old in old where !kept.contains(old.name) {
                try descriptor.attributes(of: ".").remove(old.name)
            }
        }
        for attribute in stored {
            try setOrSkip(attribute, entry) { (attribute) throws(SyscallError) in
                try descriptor.descriptor.setAttribute(attribute)
            }
        }
        directory.modified = entry.modified
        directory.forgetOwnerOfNew()
        directory.knownPassesListsOn = entry.attributes.contains {
            $0.name == UnpackDirectory.inheritedList
        }
    }

    /// Sets an attribute; where the filesystem has no place for it, or a user namespace may not set it,
    /// it is left out.
    mutating func setOrSkip(
        _ attribute: ExtendedAttribute, _ entry: ArchiveEntry,
        _ set: (ExtendedAttribute) throws(SyscallError) -> Void
    ) throws(SyscallError) {
        do throws(SyscallError) {
            try set(attribute)
        } catch  where error.errno == .notPermitted && target.namespace == .user {
            leaveOut(.refusedAttribute, attribute.name, entry)
        } catch  where error.errno == .notSupported {
            leaveOut(.unknownAttribute, attribute.name, entry)
        }
    }

    /// Copies a file of the parents into the layer, with all its attributes.
    mutating func copyUp(
        _ below: MergedEntry, to name: RawPath, in directory: UnpackDirectory
    ) throws(SyscallError) {
        let handle = try directory.handle
        let status = below.status
        switch status.type {
        case .regular:
            let source = try below.openFile()
            let copy = try handle.open(
                name, [.writeOnly, .create, .exclusive], permissions: 0o600)
            try directory.removeInherited(from: name)
            try copyContent(from: source.file, to: copy, size: status.size) { [observer] _ in
                !observer.isCancelled
            }
            return try copyMetadata(of: below, to: copy)
        case .symbolicLink:
            try handle.makeSymbolicLink(name, to: try below.readLink())
        case .characterDevice, .blockDevice, .fifo, .socket:
            try handle.makeSpecial(
                name, status.type, permissions: status.permissions, device: status.special)
        case .directory:
            preconditionFailure("directories are merged, not copied")
        }
        if status.type != .symbolicLink { try directory.removeInherited(from: name) }
        try handle.setOwner(of: name, uid: status.uid, gid: status.gid)
        if status.type != .symbolicLink {
            try handle.setPermissions(of: name, status.permissions)
        }
        for attribute in try below.copiedAttributes(for: target.marks) {
            try handle.attributes(of: name).set(attribute)
        }
        try handle.setTimes(of: name, status.modified)
    }

    /// Gives an open file or directory the owner, mode, attributes and time of an entry.
    func copyMetadata(
        of below: MergedEntry, to descriptor: borrowing OwnedDescriptor
    ) throws(SyscallError) {
        try descriptor.setOwner(uid: below.status.uid, gid: below.status.gid)
        try descriptor.setPermissions(below.status.permissions)
        for attribute in try below.copiedAttributes(for: target.marks) {
            try descriptor.setAttribute(attribute)
        }
        try descriptor.setTimes(below.status.modified)
    }
}

extension MergedEntry {
    /// The attributes that a copy takes along, under the names that they have in the layer's directory.
    fileprivate func copiedAttributes(
        for marks: LayerMarks
    ) throws(SyscallError) -> [ExtendedAttribute] {
        do {
            return try attributes().map {
                ExtendedAttribute(name: marks.storedName($0.name), value: $0.value)
            }
        } catch {
            throw error.cause
                ?? SyscallError(call: error.message, errno: .notSupported)
        }
    }
}

extension ArchiveEntry {
    /// The path for a person.
    var shownPath: String { "/\(NormalWay(path).path)" }
}

extension ArchiveEntry.Kind {
    /// Whether the kernel keeps `user.*` on it.
    fileprivate var hasUserAttributes: Bool {
        switch self {
        case .file, .directory: true
        case .symbolicLink, .hardLink, .characterDevice, .blockDevice, .fifo: false
        }
    }
}
