// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphCore
import GraphSystem
package import SystemPackage

extension VFSDriver {
    package static func probe(root: FilePath) -> [Requirement] {
        Probe.run(below: root, driver: name) { probe, directory, _ in
            probe.attempt("files") { () throws(SyscallError) in
                _ = try directory.open("file", [.readWrite, .create], permissions: 0o600)
            }
            probe.attemptFiles(in: directory)
            probe.attempt("reflink", isOptional: true) { () throws(SyscallError) in
                try directory.tryReflink()
            }
        }
    }
}
