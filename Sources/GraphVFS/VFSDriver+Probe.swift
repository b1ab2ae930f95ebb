// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphCore
import GraphSystem
public import SystemPackage

extension VFSDriver {
    public static func probe(root: FilePath) -> [Requirement] {
        var requirements: [Requirement] = []
        let name = RawPath(
            "." + VFSLayout.driver + "-probe-" + String(UInt64.random(in: .min ... .max), radix: 16)
        )
        do throws(SyscallError) {
            let parent = try Directory(opening: root)
            try parent.makeDirectory(name, permissions: 0o700)
            do throws(SyscallError) {
                requirements = try trials(in: try parent.openDirectory(name))
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

    private static func trials(in directory: Directory) throws(SyscallError) -> [Requirement] {
        _ = try directory.open("file", [.readWrite, .create], permissions: 0o600)
        // VFS_CAP_REVISION_2 with cap_net_raw permitted.
        let capability: [UInt8] = [0, 0, 0, 2, 0, 32] + [UInt8](repeating: 0, count: 14)
        return [
            attributeTrial("user attributes", "user.graph-probe", [1], in: directory),
            attributeTrial(
                "trusted attributes", "trusted.graph-probe", [1], isOptional: true, in: directory),
            attributeTrial(
                "file capabilities", "security.capability", capability, in: directory),
            Requirement(
                "hard links",
                refusal: refusal { () throws(SyscallError) in
                    try directory.makeHardLink("link", to: "file", in: directory)
                }),
            Requirement(
                "whiteouts (character device 0:0)",
                refusal: refusal { () throws(SyscallError) in
                    try directory.makeSpecial("whiteout", .characterDevice, permissions: 0)
                }),
            Requirement(
                "device nodes", isOptional: true,
                refusal: refusal { () throws(SyscallError) in
                    try directory.makeSpecial(
                        "device", .characterDevice, permissions: 0o600,
                        device: DeviceNumber(major: 1, minor: 3))
                }),
            Requirement(
                "reflink", isOptional: true,
                refusal: refusal { () throws(SyscallError) in try directory.tryReflink() }),
        ]
    }

    private static func attributeTrial(
        _ name: String, _ key: String, _ value: [UInt8], isOptional: Bool = false,
        in directory: Directory
    ) -> Requirement {
        Requirement(
            name, isOptional: isOptional,
            refusal: refusal { () throws(SyscallError) in
                try directory.setAttribute(ExtendedAttribute(name: key, value: value), of: "file")
            })
    }

    private static func refusal(
        _ call: () throws(SyscallError) -> Void
    ) -> SyscallError? {
        do throws(SyscallError) {
            try call()
            return nil
        } catch {
            return error
        }
    }
}
