// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
package import GraphCore
import GraphSystem
package import SystemPackage

extension OverlayDriver {
    package static func probe(root: FilePath) -> [Requirement] {
        probeOnce(root: root).requirements
    }

    /// Tries everything in a directory of its own below `root`, which it removes.
    static func probeOnce(root: FilePath) -> OverlayProbe {
        var namespace = OverlayNamespace.trusted
        let requirements = Probe.run(below: root, driver: name) { probe, directory, path in
            namespace = OverlayProbe.run(&probe, in: directory, at: path)
        }
        return OverlayProbe(requirements: requirements, namespace: namespace)
    }

    /// The attribute of the driver's directory that says where overlayfs keeps its own.
    private static let mark = "store"

    /// Where overlayfs keeps its attributes in this store, as the driver's directory is marked.
    static func recordedNamespace(
        _ directories: LayerDirectories
    ) throws(DriverError) -> OverlayNamespace? {
        for namespace in [OverlayNamespace.trusted, .user] {
            if try recordedProbe(namespace, directories) != nil { return namespace }
        }
        return nil
    }

    /// The mark's value: what has been tried here.
    private static func recordedProbe(
        _ namespace: OverlayNamespace, _ directories: LayerDirectories
    ) throws(DriverError) -> [UInt8]? {
        try attempting(
            "read the mark of the overlay directory",
            try directories.openedDirectory?.attributes(of: ".").value(of: namespace.name(mark)))
    }

    /// Makes sure that the kernel makes the references that the options ask for.
    ///
    /// Tried once a store, which the mark of the driver's directory then says.
    func requireReferences(tries: Bool) throws(DriverError) {
        if namespace == .user {
            throw DriverError(
                .unsupported,
                "driver overlay: overlayfs has neither metacopy nor redirect_dir in a user "
                    + "namespace (mount option userxattr)")
        }
        guard tries else { return }
        let tried = try Self.recordedProbe(namespace, directories) ?? []
        let wanted = options.references
        if wanted.letters.allSatisfy(tried.contains) { return }
        let mark = ReferenceMark(own: wanted)
        let kernelOptions = options.kernelOptions(namespace, mark, writable: true)
        let requirements = Probe.run(below: directories.root, driver: Self.name) {
            probe, directory, path in
            probe.attempt(wanted.contains(.metacopies) ? "metacopy" : "redirect_dir") {
                () throws(SyscallError) in
                try ReferenceProbe(directory: directory, path: path, namespace: namespace)
                    .run(wanted, kernelOptions)
            }
        }
        try require(requirements, driver: Self.name)
        try Self.record(namespace, wanted, in: directories)
    }

    /// Tries everything, and refuses when something that is needed does not work.
    static func requireAll(root: FilePath) throws(DriverError) -> OverlayNamespace {
        let probed = probeOnce(root: root)
        try require(probed.requirements, driver: name)
        return probed.namespace
    }

    /// Marks the driver's directory with what was found when the store was begun.
    static func record(
        _ namespace: OverlayNamespace, _ references: References = [],
        in directories: LayerDirectories
    ) throws(DriverError) {
        let directory = try directories.writableDirectory()
        let attribute = ExtendedAttribute(
            name: namespace.name(mark), value: [UInt8(ascii: "y")] + references.letters)
        try attempting(
            "mark the overlay directory", try directory.descriptor.setAttribute(attribute))
        try attempting("sync the overlay directory", try directory.sync())
    }
}
