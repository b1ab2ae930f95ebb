// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
public import GraphCore
import GraphSystem
public import SystemPackage

extension OverlayDriver {
    public static func probe(root: FilePath) -> [Requirement] {
        trial(root: root).requirements
    }

    /// Tries everything in a directory of its own below `root`, which it removes.
    static func trial(root: FilePath) -> OverlayTrial {
        var namespace = OverlayNamespace.trusted
        let requirements = Trials.run(below: root, driver: name) { trials, directory, path in
            namespace = OverlayTrial.run(&trials, in: directory, at: path)
        }
        return OverlayTrial(requirements: requirements, namespace: namespace)
    }

    /// The attribute of the driver's folder that says where overlayfs keeps its own.
    private static let mark = "store"

    /// Where overlayfs keeps its attributes in this store, as the driver's folder is marked.
    static func recordedNamespace(
        _ folders: LayerFolders
    ) throws(DriverError) -> OverlayNamespace? {
        guard let folder = folders.openFolder else { return nil }
        for namespace in [OverlayNamespace.trusted, .user] {
            do throws(SyscallError) {
                if try folder.attribute(namespace.name(mark), of: ".") != nil { return namespace }
            } catch {
                throw DriverError("read the mark of the overlay folder", error)
            }
        }
        return nil
    }

    /// Tries everything, and refuses when something that is needed does not work.
    static func requireAll(root: FilePath) throws(DriverError) -> OverlayNamespace {
        let trial = trial(root: root)
        try require(trial.requirements, driver: name)
        return trial.namespace
    }

    /// Marks the driver's folder with what was found when the store was begun.
    static func record(
        _ namespace: OverlayNamespace, in folders: LayerFolders
    ) throws(DriverError) {
        let folder = try folders.writableFolder()
        let attribute = ExtendedAttribute(name: namespace.name(mark), value: [UInt8(ascii: "y")])
        try attempting("mark the overlay folder", try folder.descriptor.setAttribute(attribute))
        try attempting("sync the overlay folder", try folder.sync())
    }
}
