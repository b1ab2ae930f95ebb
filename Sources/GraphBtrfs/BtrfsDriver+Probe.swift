// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphCore
import GraphSystem
public import SystemPackage

extension BtrfsDriver {
    public static func probe(root: FilePath) -> [Requirement] {
        var requirements: [Requirement] = []
        let name = RawPath(
            "." + BtrfsLayout.driver + "-probe-"
                + String(UInt64.random(in: .min ... .max), radix: 16))
        do throws(SyscallError) {
            let parent = try Directory(opening: root)
            try parent.makeDirectory(name, permissions: 0o700)
            do throws(SyscallError) {
                let scratch = try parent.openDirectory(name)
                requirements = trials(in: scratch)
                // What a trial could not destroy is told by its own requirement.
                try? SubvolumeRemoval().empty(scratch)
            } catch {
                _ = try? parent.removeTree(name)
                throw error
            }
            try parent.removeTree(name)
        } catch {
            requirements.append(Requirement("scratch directory", refusal: error))
        }
        return requirements
    }

    /// Tries everything in a subvolume of its own; without one nothing else makes sense.
    private static func trials(in scratch: Directory) -> [Requirement] {
        let subvolume: Directory
        do throws(SyscallError) {
            try scratch.makeSubvolume("subvolume")
            subvolume = try scratch.openDirectory("subvolume")
            _ = try subvolume.open("file", [.readWrite, .create], permissions: 0o600)
        } catch {
            return [Requirement("subvolume", refusal: error)]
        }
        var requirements = [Requirement("subvolume", refusal: nil)]
        requirements += attributeTrials(in: subvolume)
        requirements += [
            trial("whiteouts (character device 0:0)") { () throws(SyscallError) in
                try subvolume.makeSpecial("whiteout", .characterDevice, permissions: 0)
            },
            trial("device nodes", isOptional: true) { () throws(SyscallError) in
                try subvolume.makeSpecial(
                    "device", .characterDevice, permissions: 0o600,
                    device: DeviceNumber(major: 1, minor: 3))
            },
            trial("snapshot") { () throws(SyscallError) in
                try scratch.makeSnapshot("snapshot", of: subvolume)
            },
            trial("read-only subvolume") { () throws(SyscallError) in
                let snapshot = try scratch.openDirectory("snapshot")
                try snapshot.setReadOnlySubvolume(true)
                try snapshot.setReadOnlySubvolume(false)
            },
            trial("quotas", isOptional: true) { () throws(SyscallError) in
                try subvolume.setSubvolumeLimit(exclusiveBytes: nil)
            },
            trial("destroying subvolumes") { () throws(SyscallError) in
                let removal = SubvolumeRemoval()
                try removal.destroy("snapshot", in: scratch)
                try removal.destroy("subvolume", in: scratch)
            },
        ]
        return requirements
    }

    private static func attributeTrials(in directory: Directory) -> [Requirement] {
        // VFS_CAP_REVISION_2 with cap_net_raw permitted.
        let capability: [UInt8] = [0, 0, 0, 2, 0, 32] + [UInt8](repeating: 0, count: 14)
        let trials: [(String, String, [UInt8], Bool)] = [
            ("user attributes", "user.graph-probe", [1], false),
            ("trusted attributes", "trusted.graph-probe", [1], true),
            ("file capabilities", "security.capability", capability, false),
        ]
        return trials.map { name, key, value, isOptional in
            trial(name, isOptional: isOptional) { () throws(SyscallError) in
                try directory.setAttribute(ExtendedAttribute(name: key, value: value), of: "file")
            }
        }
    }

    private static func trial(
        _ name: String, isOptional: Bool = false, _ calls: () throws(SyscallError) -> Void
    ) -> Requirement {
        do throws(SyscallError) {
            try calls()
            return Requirement(name, isOptional: isOptional, refusal: nil)
        } catch {
            return Requirement(name, isOptional: isOptional, refusal: error)
        }
    }
}
