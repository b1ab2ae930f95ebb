// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphCore
import GraphSystem
package import SystemPackage

extension DeviceMapperDriver {
    package static func probe(root: FilePath) -> [Requirement] {
        Probe.run(below: root, driver: name) { probe, directory, _ in
            probe.attempt("libdevmapper") { () throws(SyscallError) in
                _ = try DeviceMapper.libraryVersion()
            }
            probe.attempt("device mapper") { () throws(SyscallError) in _ = try DeviceMapper() }
            for target in ["thin-pool", "thin"] {
                probe.attempt("target \(target)") { () throws(SyscallError) in
                    if try !DeviceMapper().hasTarget(target) {
                        throw SyscallError(
                            call: "dm_task_run(versions, \(target))", errno: .notSupported)
                    }
                }
            }
            for type in ["ext4", "xfs"] {
                probe.attempt("mkfs.\(type)", isOptional: type == "xfs") {
                    () throws(SyscallError) in
                    _ = try ChildProcess.find("mkfs.\(type)")
                }
            }
            probe.attempt("loop devices", isOptional: true) { () throws(SyscallError) in
                let file = try directory.open("loop", [.readWrite, .create], permissions: 0o600)
                try file.truncate(to: 1 << 20)
                _ = try LoopDevice.attach(file)
            }
        }
    }
}
