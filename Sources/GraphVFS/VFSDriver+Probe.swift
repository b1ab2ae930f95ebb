// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphCore
import GraphSystem
public import SystemPackage

extension VFSDriver {
    public static func probe(root: FilePath) -> [Requirement] {
        Trials.run(below: root, driver: name) { trials, directory, _ in
            trials.attempt("files") { () throws(SyscallError) in
                _ = try directory.open("file", [.readWrite, .create], permissions: 0o600)
            }
            trials.attemptFiles(in: directory)
            trials.attempt("reflink", isOptional: true) { () throws(SyscallError) in
                try directory.tryReflink()
            }
        }
    }
}
