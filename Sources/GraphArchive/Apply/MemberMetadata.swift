// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

import struct SystemPackage.Errno

/// Gives what was made in a layer's directory the owner, mode, attributes and time of its member.
///
/// What is left out of that is taken note of as a warning.
struct MemberMetadata {
    private let marks: LayerMarks
    private let namespace: OverlayNamespace

    /// For the members of a layer.
    init(for target: ApplyTarget) { (marks, namespace) = (target.marks, target.namespace) }

    /// Of a file that has just been made under a name; `hasMode` says that it was with the member's mode.
    func set(
        _ entry: ArchiveEntry, on file: borrowing OwnedDescriptor, _ name: RawPath,
        in directory: UnpackDirectory, hasMode: Bool, _ warnings: inout LayerWarnings
    ) throws(SyscallError) {
        let inherits = try directory.passesListsOn()
        if inherits { try directory.removeInherited(from: name) }
        if try directory.ownerOfNew(file) != FileOwner(entry) {
            try file.setOwner(uid: entry.uid, gid: entry.gid)
        }
        if !hasMode || inherits { try file.setPermissions(entry.permissions) }
        for attribute in storedAttributes(of: entry, &warnings) {
            do throws(SyscallError) {
                try file.setAttribute(attribute)
            } catch {
                try leaveOut(attribute, entry, error, &warnings)
            }
        }
        try file.setTimes(entry.modified)
    }

    /// Of a link, device or pipe that has just been made under a name; `handle` is the directory, open.
    func set(
        _ entry: ArchiveEntry, on name: RawPath, in directory: UnpackDirectory,
        _ handle: Directory, _ warnings: inout LayerWarnings
    ) throws(SyscallError) {
        try handle.setOwner(of: name, uid: entry.uid, gid: entry.gid)
        if case .symbolicLink = entry.kind {
            // A link has no mode of its own.
        } else {
            try directory.removeInherited(from: name)
            try handle.setPermissions(of: name, entry.permissions)
        }
        for attribute in storedAttributes(of: entry, &warnings) {
            do throws(SyscallError) {
                try handle.attributes(of: name).set(attribute)
            } catch {
                try leaveOut(attribute, entry, error, &warnings)
            }
        }
        try handle.setTimes(of: name, entry.modified)
    }

    /// Of a directory, which then has exactly the member's attributes; its time is set in the end.
    func set(
        _ entry: ArchiveEntry, on directory: UnpackDirectory, _ warnings: inout LayerWarnings
    ) throws(SyscallError) {
        let handle = try directory.handle
        try handle.descriptor.setOwner(uid: entry.uid, gid: entry.gid)
        try handle.descriptor.setPermissions(entry.permissions)
        // A directory made as the parents have it, or named twice, may have others.
        let old = try handle.attributes(of: ".").all().filter {
            AttributeTable.isContent($0.name) && !marks.isMark($0.name)
        }
        let stored = storedAttributes(of: entry, &warnings)
        if !old.isEmpty {
            let kept = Set(stored.map(\.name))
            for old in old where !kept.contains(old.name) {
                try handle.attributes(of: ".").remove(old.name)
            }
        }
        for attribute in stored {
            do throws(SyscallError) {
                try handle.descriptor.setAttribute(attribute)
            } catch {
                try leaveOut(attribute, entry, error, &warnings)
            }
        }
        directory.modified = entry.modified
        directory.forgetOwnerOfNew()
        directory.knownPassesListsOn = entry.attributes.contains {
            $0.name == UnpackDirectory.inheritedList
        }
    }

    /// The attributes that a member shall have, under the names that they have in the layer's directory.
    ///
    /// ``AttributeTable`` says which; those left out are taken note of.
    private func storedAttributes(
        of entry: ArchiveEntry, _ warnings: inout LayerWarnings
    ) -> [ExtendedAttribute] {
        var stored: [ExtendedAttribute] = []
        for attribute in entry.attributes {
            let (name, value) = (attribute.name, attribute.value)
            let kept: String
            switch AttributeTable.owner(of: name) {
            case .host, .alias:
                leaveOut(.hostAttribute, name, entry, &warnings)
                continue
            case .overlay:
                // What an overlay's own directories had is not a layer's, but a user's attribute is
                // written as overlayfs keeps it.
                guard let own = OverlayNamespace(of: name)?.unescaped(name) else {
                    leaveOut(.overlayAttribute, name, entry, &warnings)
                    continue
                }
                kept = own
            case .layer:
                kept = name
            }
            if AttributeTable.isForFilesOnly(kept) && !entry.kind.hasUserAttributes {
                leaveOut(.misplacedAttribute, name, entry, &warnings)
                continue
            }
            stored.append(ExtendedAttribute(name: marks.storedName(kept), value: value))
        }
        return stored
    }

    private func leaveOut(
        _ kind: LayerWarning.Kind, _ name: String, _ entry: ArchiveEntry,
        _ warnings: inout LayerWarnings
    ) {
        warnings.add(kind, "\(name) of \(entry.shownPath)")
    }

    /// Leaves an attribute out for which the filesystem has no place, or which a user namespace may not
    /// set.
    ///
    /// - Throws: What else refused it.
    private func leaveOut(
        _ attribute: ExtendedAttribute, _ entry: ArchiveEntry, _ refusal: SyscallError,
        _ warnings: inout LayerWarnings
    ) throws(SyscallError) {
        switch refusal.errno {
        case .notPermitted where namespace == .user:
            leaveOut(.refusedAttribute, attribute.name, entry, &warnings)
        case .notSupported:
            leaveOut(.unknownAttribute, attribute.name, entry, &warnings)
        default:
            throw refusal
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
