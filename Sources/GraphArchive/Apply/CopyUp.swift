// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

import struct SystemPackage.Errno

/// Copies what the parents of a layer have into the layer, as overlayfs does.
struct CopyUp {
    let marks: LayerMarks
    let observer: WorkObserver

    /// Copies a file of the parents into the layer, with all its attributes.
    func copy(
        _ below: MergedEntry, to name: RawPath, in directory: UnpackDirectory
    ) throws(SyscallError) {
        let handle = try directory.handle
        let status = below.status
        switch status.type {
        case .regular:
            let source = try below.openFile()
            let copy = try handle.open(name, [.writeOnly, .create, .exclusive], permissions: 0o600)
            try directory.removeInherited(from: name)
            try copyContent(from: source.file, to: copy, size: status.size) { _ in
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
        for attribute in try below.copiedAttributes(for: marks) {
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
        for attribute in try below.copiedAttributes(for: marks) {
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
