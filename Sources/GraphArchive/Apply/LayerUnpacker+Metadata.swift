// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

import struct SystemPackage.Errno

extension LayerUnpacker {
    /// Refuses attributes by which an archive would steer overlayfs.
    func checkAttributes(_ entry: ArchiveEntry) throws(ArchiveError) {
        for attribute in entry.attributes where isOverlayAttribute(attribute.name) {
            throw ArchiveError(
                .malformed,
                "the member \(entry.path) has the attribute \(attribute.name), which is overlayfs's own"
            )
        }
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
        let old = try descriptor.attributes(of: ".").filter {
            !isHostAttribute($0.name) && !$0.name.hasPrefix(target.namespace.rawValue)
        }
        if !old.isEmpty {
            let kept = Set(entry.attributes.map(\.name))
            for old in old where !kept.contains(old.name) {
                try descriptor.removeAttribute(old.name, of: ".")
            }
        }
        for attribute in entry.attributes where !isHostAttribute(attribute.name) {
            try setOrSkip(attribute) { (attribute) throws(SyscallError) in
                try descriptor.descriptor.setAttribute(attribute)
            }
        }
        directory.modified = entry.modified
        directory.forgetOwnerOfNew()
        directory.knownPassesListsOn = entry.attributes.contains {
            $0.name == UnpackDirectory.inheritedList
        }
    }

    /// Sets an attribute; where a user namespace may not, it is counted and left out.
    mutating func setOrSkip(
        _ attribute: ExtendedAttribute,
        _ set: (ExtendedAttribute) throws(SyscallError) -> Void
    ) throws(SyscallError) {
        do throws(SyscallError) {
            try set(attribute)
        } catch  where error.errno == .notPermitted && target.namespace == .user {
            summary.skippedAttributes += 1
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
        for attribute in try below.copiedAttributes() {
            try handle.setAttribute(attribute, of: name)
        }
        try handle.setTimes(of: name, status.modified)
    }

    /// Gives an open file or directory the owner, mode, attributes and time of an entry.
    func copyMetadata(
        of below: MergedEntry, to descriptor: borrowing OwnedDescriptor
    ) throws(SyscallError) {
        try descriptor.setOwner(uid: below.status.uid, gid: below.status.gid)
        try descriptor.setPermissions(below.status.permissions)
        for attribute in try below.copiedAttributes() { try descriptor.setAttribute(attribute) }
        try descriptor.setTimes(below.status.modified)
    }
}

extension MergedEntry {
    /// The attributes that a copy takes along: not those that somebody in the layer has set for an
    /// overlay of theirs, which would steer ours.
    fileprivate func copiedAttributes() throws(SyscallError) -> [ExtendedAttribute] {
        do {
            return try attributes().filter { !isOverlayAttribute($0.name) }
        } catch {
            throw error.cause
                ?? SyscallError(call: error.message, errno: .notSupported)
        }
    }
}
