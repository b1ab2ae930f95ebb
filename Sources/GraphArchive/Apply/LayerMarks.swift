// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem

/// How a layer that is being unpacked records what it deletes.
///
/// In a layer of an overlay as overlayfs reads it. In a stage, which is merged into a whole tree, by marks
/// of its own: whole trees may hold all that overlayfs would take for a mark, such as the layers of an
/// overlay that ran in a container.
struct LayerMarks {
    private let namespace: OverlayNamespace
    let isStage: Bool

    init(_ namespace: OverlayNamespace, isStage: Bool) {
        (self.namespace, self.isStage) = (namespace, isStage)
    }

    /// What the names of all marks begin with.
    private var prefix: String {
        if !isStage { return namespace.rawValue }
        return AttributeTable.stageMarks[namespace == .trusted ? 0 : 1]
    }

    /// The mark of a directory that hides those below it.
    var opaque: ExtendedAttribute {
        ExtendedAttribute(name: prefix + "opaque", value: [UInt8(ascii: "y")])
    }

    private var whiteout: ExtendedAttribute {
        ExtendedAttribute(name: prefix + "whiteout", value: [UInt8(ascii: "y")])
    }

    /// Whether an attribute of this name is such a mark, and none of the layer's.
    func isMark(_ name: String) -> Bool {
        isStage ? name.hasPrefix(prefix) : namespace.isMark(name)
    }

    /// Under which name an attribute of the layer is kept in its directory.
    func storedName(_ name: String) -> String {
        !isStage && name.hasPrefix(namespace.rawValue) ? namespace.escaped(name) : name
    }

    func isOpaque(_ name: RawPath, in directory: Directory) throws(SyscallError) -> Bool {
        try directory.attributes(of: name).value(of: opaque.name) == opaque.value
    }

    /// Whether a name stands for a deletion.
    func isWhiteout(
        _ status: FileStatus, _ name: RawPath, in directory: Directory
    ) throws(SyscallError) -> Bool {
        guard isStage else { return status.isWhiteoutDevice }
        guard status.type == .regular, status.size == 0, status.permissions == 0 else {
            return false
        }
        return try directory.attributes(of: name).value(of: whiteout.name) != nil
    }

    /// Records that a name is deleted, which the directory does not have.
    func makeWhiteout(_ name: RawPath, in directory: Directory) throws(SyscallError) {
        guard isStage else {
            return try directory.makeSpecial(name, .characterDevice, permissions: 0)
        }
        let file = try directory.open(name, [.writeOnly, .create, .exclusive], permissions: 0)
        try file.setPermissions(0)
        try file.setAttribute(whiteout)
    }

    /// Takes all deletions out of a directory and of those below it, and the mark of opaque ones where
    /// `andOpaque` says so.
    func remove(
        from directory: Directory, andOpaque: Bool, _ observer: WorkObserver
    ) throws(SyscallError) {
        let removal = WhiteoutRemoval(
            of: isStage ? .regular : .characterDevice, andMark: andOpaque ? opaque.name : nil)
        try removal.run(in: directory) {
            (status, name, directory) throws(SyscallError) in
            try isWhiteout(status, name, in: directory)
        } isCancelled: {
            observer.isCancelled
        }
    }
}

extension ApplyTarget {
    /// Records that a name of a directory of the layer is deleted; for those who write layers by hand.
    package func markDeleted(
        _ name: RawPath, in directory: Directory? = nil
    ) throws(SyscallError) {
        try marks.makeWhiteout(name, in: directory ?? self.directory)
    }

    /// Records that a directory of the layer hides those below it.
    package func markOpaque(
        _ name: RawPath, in directory: Directory? = nil
    ) throws(SyscallError) {
        try (directory ?? self.directory).attributes(of: name).set(marks.opaque)
    }
}
