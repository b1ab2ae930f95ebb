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
        let wanted = options.references
        if try ProbeMark(in: directories).hasTried(wanted, namespace) { return }
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
        try ProbeMark(in: directories).write(namespace, wanted)
    }

    /// Tries everything, and refuses when something that is needed does not work.
    static func requireAll(root: FilePath) throws(DriverError) -> OverlayNamespace {
        let probed = probeOnce(root: root)
        try require(probed.requirements, driver: name)
        return probed.namespace
    }
}
