// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphCore
import GraphSystem
package import SystemPackage

extension BtrfsDriver {
    package static func probe(root: FilePath) -> [Requirement] {
        Probe.run(
            below: root, driver: name, emptying: empty
        ) { probe, scratch, _ in
            probe.attempt("libbtrfsutil") { () throws(SyscallError) in
                try BtrfsUtility.requireLibrary()
            }
            probe.attempt("subvolume") { () throws(SyscallError) in
                try Subvolume.make("subvolume", in: scratch)
            }
            // Without one nothing else makes sense.
            guard let subvolume = try? Subvolume("subvolume", in: scratch) else { return }
            probe.attemptFiles(in: subvolume.directory)
            attemptSnapshots(of: subvolume, in: scratch, &probe)
        }
    }

    /// Destroys what is left; what a probe could not destroy is told by its own requirement.
    private static func empty(_ scratch: Directory) { try? SubvolumeRemoval().empty(scratch) }

    private static func attemptSnapshots(
        of subvolume: Subvolume, in scratch: Directory, _ probe: inout Probe
    ) {
        probe.attempt("snapshot") { () throws(SyscallError) in
            try subvolume.makeSnapshot("snapshot", in: scratch)
        }
        probe.attempt("read-only subvolume") { () throws(SyscallError) in
            let snapshot = try Subvolume("snapshot", in: scratch)
            try snapshot.setReadOnly(true)
            try snapshot.setReadOnly(false)
        }
        attemptDifferences("differences by search", of: subvolume, in: scratch, &probe) {
            (snapshot, base) throws(SyscallError) in
            try snapshot.settle(with: base)
            try snapshot.visitItems(writtenSince: 0) { _, _ in nil }
        }
        attemptDifferences("differences by send", of: subvolume, in: scratch, &probe) {
            (snapshot, base) throws(SyscallError) in
            try snapshot.send(from: base) { _ in true }
        }
        probe.attempt("quotas", isOptional: true) { () throws(SyscallError) in
            try subvolume.setLimit(exclusiveBytes: nil)
        }
        probe.attempt("destroying subvolumes") { () throws(SyscallError) in
            let removal = SubvolumeRemoval()
            try removal.destroy("snapshot", in: scratch)
            try removal.destroy("subvolume", in: scratch)
        }
    }

    private static func attemptDifferences(
        _ name: String, of subvolume: Subvolume, in scratch: Directory, _ probe: inout Probe,
        _ ask: (Subvolume, UInt64) throws(SyscallError) -> Void
    ) {
        probe.attempt(name, isOptional: true) { () throws(SyscallError) in
            let snapshot = try Subvolume("snapshot", in: scratch)
            for side in [subvolume, snapshot] { try side.setReadOnly(true) }
            let result = Result { () throws(SyscallError) in
                try ask(snapshot, try subvolume.id())
            }
            for side in [subvolume, snapshot] { try side.setReadOnly(false) }
            try result.get()
        }
    }
}
