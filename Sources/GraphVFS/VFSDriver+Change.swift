// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
import GraphSystem
import SystemPackage

extension VFSDriver {
    public func applyTarget(
        for layer: LayerNumber, above parents: [LayerNumber]
    ) throws(DriverError) -> ApplyTarget {
        let folder = try folders.open(layer)
        let tree = try folders.open(layer, VFSLayout.tree)
        _ = try folders.writableFolder()
        do throws(SyscallError) {
            try folder.removeTree(VFSLayout.stage)
            try folder.makeDirectory(VFSLayout.stage, permissions: 0o700)
            let stage = try folder.openDirectory(VFSLayout.stage)
            // What the archive does not say of the root stays as it is.
            try stage.descriptor.takeMetadata(
                from: tree.descriptor, try tree.status(), isCopied: isCopiedAttribute)
            return ApplyTarget(
                directory: stage, namespace: try Self.namespace(of: stage),
                lower: LayeredTree(layers: [tree], encoding: .plain))
        } catch {
            throw spaceError("make the stage of layer \(layer)", error, on: folder.descriptor)
        }
    }

    /// Where deletions can be recorded: the trusted attributes if they can be set here.
    private static func namespace(
        of stage: Directory
    ) throws(SyscallError) -> OverlayNamespace {
        let key = OverlayNamespace.trusted.name("probe")
        do throws(SyscallError) {
            try stage.descriptor.setAttribute(ExtendedAttribute(name: key, value: [0]))
        } catch let error where error.errno == .notPermitted || error.errno == .notSupported {
            return .user
        }
        try stage.removeAttribute(key, of: ".")
        return .trusted
    }

    public func finishApply(
        of layer: LayerNumber, above parents: [LayerNumber], observer: WorkObserver
    ) throws(DriverError) {
        let folder = try folders.open(layer)
        let tree = try folders.open(layer, VFSLayout.tree)
        guard try folders.status(of: layer, VFSLayout.stage) != nil else {
            throw DriverError(.wrongKind, "nothing was applied to layer \(layer)")
        }
        let stage = try folders.open(layer, VFSLayout.stage)
        let namespace = try attempting(
            "look at the stage of layer \(layer)", try Self.namespace(of: stage))
        try attempting(
            archive: "merge the changes of layer \(layer)",
            try mergeStage(stage, namespace, into: tree, observer: observer))
        _ = try attempting(
            "remove the stage of layer \(layer)", try folder.removeTree(VFSLayout.stage))
    }

    public func diffSource(
        of layer: LayerNumber, above parents: [LayerNumber],
        from base: LayerNumber?, above baseParents: [LayerNumber]
    ) throws(DriverError) -> DiffSource {
        let new = try folders.open(layer, VFSLayout.tree)
        guard let base else { return DiffSource(old: .empty, new: Self.plain(new)) }
        let old = base == layer ? new : try folders.open(base, VFSLayout.tree)
        return DiffSource(old: Self.plain(old), new: Self.plain(new))
    }

    private static func plain(_ tree: Directory) -> LayeredTree {
        LayeredTree(layers: [tree], encoding: .plain)
    }
}
