// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphCore
import GraphSystem
public import SystemPackage

extension DeviceMapperDriver {
    public static func probe(root: FilePath) -> [Requirement] {
        Trials.run(below: root, driver: name) { trials, directory, _ in
            trials.attempt("libdevmapper") { () throws(SyscallError) in
                _ = try DeviceMapper.libraryVersion()
            }
            trials.attempt("device mapper") { () throws(SyscallError) in _ = try DeviceMapper() }
            for target in ["thin-pool", "thin"] {
                trials.attempt("target \(target)") { () throws(SyscallError) in
                    if try !DeviceMapper().hasTarget(target) {
                        throw SyscallError(
                            call: "dm_task_run(versions, \(target))", errno: .notSupported)
                    }
                }
            }
            for type in ["ext4", "xfs"] {
                trials.attempt("mkfs.\(type)", isOptional: type == "xfs") {
                    () throws(SyscallError) in
                    _ = try ChildProcess.find("mkfs.\(type)")
                }
            }
            trials.attempt("loop devices", isOptional: true) { () throws(SyscallError) in
                let file = try directory.open("loop", [.readWrite, .create], permissions: 0o600)
                try file.truncate(to: 1 << 20)
                _ = try LoopDevice.attach(file)
            }
        }
    }
}
