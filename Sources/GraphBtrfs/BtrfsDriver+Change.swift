// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
import GraphSystem
import SystemPackage

extension BtrfsDriver {
    public func applyTarget(
        for layer: LayerNumber, above parents: [LayerNumber]
    ) throws(DriverError) -> ApplyTarget {
        let subvolume = try folders.open(layer, BtrfsLayout.subvolume)
        let tree = try folders.open(layer, BtrfsLayout.treeInFolder)
        _ = try folders.writableFolder()
        do throws(SyscallError) {
            // The default limit is for what containers write, not for images.
            if options.sizeDefault != nil { try Self.setLimit(nil, of: subvolume) }
            try subvolume.removeTree(BtrfsLayout.stage)
            try subvolume.makeDirectory(BtrfsLayout.stage, permissions: 0o700)
            let stage = try subvolume.openDirectory(BtrfsLayout.stage)
            let namespace = try Self.namespace(of: stage)
            // What the archive does not say of the root stays as it is.
            try stage.descriptor.takeMetadata(
                from: tree.descriptor, try tree.status(), isCopied: isCopiedAttribute)
            return ApplyTarget(
                directory: stage, namespace: namespace,
                lower: LayeredTree(layers: [tree], encoding: .plain))
        } catch {
            throw spaceError("make the stage of layer \(layer)", error, on: subvolume.descriptor)
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
        let subvolume = try folders.open(layer, BtrfsLayout.subvolume)
        let tree = try folders.open(layer, BtrfsLayout.treeInFolder)
        guard try folders.status(of: layer, Self.stageInFolder) != nil else {
            throw DriverError(.wrongKind, "nothing was applied to layer \(layer)")
        }
        let stage = try folders.open(layer, Self.stageInFolder)
        let namespace = try attempting(
            "look at the stage of layer \(layer)", try Self.namespace(of: stage))
        try attempting(
            archive: "merge the changes of layer \(layer)",
            try mergeStage(stage, namespace, into: tree, observer: observer))
        // Or every layer above would carry it.
        _ = try attempting(
            "remove the stage of layer \(layer)", try subvolume.removeTree(BtrfsLayout.stage))
    }

    private static var stageInFolder: RawPath {
        BtrfsLayout.subvolume.appending(BtrfsLayout.stage)
    }

    public func diffSource(
        of layer: LayerNumber, above parents: [LayerNumber],
        from base: LayerNumber?, above baseParents: [LayerNumber]
    ) throws(DriverError) -> DiffSource {
        let new = try folders.open(layer, BtrfsLayout.treeInFolder)
        guard let base else { return DiffSource(old: .empty, new: Self.plain(new)) }
        let old = base == layer ? new : try folders.open(base, BtrfsLayout.treeInFolder)
        return DiffSource(old: Self.plain(old), new: Self.plain(new))
    }

    private static func plain(_ tree: Directory) -> LayeredTree {
        LayeredTree(layers: [tree], encoding: .plain)
    }
}
