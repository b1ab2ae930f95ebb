// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphSystem
public import SystemPackage

/// What a probe has tried, and what came of it.
public struct Probe {
    package private(set) var requirements: [Requirement] = []

    /// Tries things in a scratch directory below `root`, which is removed.
    ///
    /// `body` gets the directory and its path. `emptying` destroys what in it cannot be unlinked.
    public static func run(
        below root: FilePath, driver: String,
        emptying: (Directory) -> Void = { _ in },
        _ body: (inout Probe, Directory, FilePath) -> Void
    ) -> [Requirement] {
        var probe = Probe()
        let name = ".\(driver)-probe-" + String(UInt64.random(in: .min ... .max), radix: 16)
        do throws(SyscallError) {
            let parent = try Directory(opening: root)
            try parent.makeDirectory(RawPath(name), permissions: 0o700)
            do throws(SyscallError) {
                let scratch = try parent.openDirectory(RawPath(name))
                body(&probe, scratch, root.appending(name))
                emptying(scratch)
            } catch {
                _ = try? parent.removeTree(RawPath(name))
                throw error
            }
            try parent.removeTree(RawPath(name))
        } catch {
            probe.requirements.append(Requirement("scratch directory", refusal: error))
        }
        return probe.requirements
    }

    /// Tries one thing.
    public mutating func attempt(
        _ name: String, isOptional: Bool = false, _ call: () throws(SyscallError) -> Void
    ) {
        do throws(SyscallError) {
            try call()
            requirements.append(Requirement(name, isOptional: isOptional, refusal: nil))
        } catch {
            requirements.append(Requirement(name, isOptional: isOptional, refusal: error))
        }
    }

    /// Tries what a tree of files needs, with a few names in `directory`.
    public mutating func attemptFiles(in directory: Directory) {
        attempt("files") { () throws(SyscallError) in
            _ = try directory.open("file", [.readWrite, .create], permissions: 0o600)
        }
        // VFS_CAP_REVISION_2 with cap_net_raw permitted.
        let capability: [UInt8] = [0, 0, 0, 2, 0, 32] + [UInt8](repeating: 0, count: 14)
        let attributes: [(String, ExtendedAttribute, isOptional: Bool)] = [
            ("user attributes", ExtendedAttribute(name: "user.graph-probe", value: [1]), false),
            (
                "trusted attributes", ExtendedAttribute(name: "trusted.graph-probe", value: [1]),
                true
            ),
            (
                "file capabilities",
                ExtendedAttribute(name: "security.capability", value: capability), false
            ),
        ]
        for (name, attribute, isOptional) in attributes {
            attempt(name, isOptional: isOptional) { () throws(SyscallError) in
                try directory.attributes(of: "file").set(attribute)
            }
        }
        attempt("hard links") { () throws(SyscallError) in
            try directory.makeHardLink("link", to: "file", in: directory)
        }
        attempt("whiteouts (character device 0:0)") { () throws(SyscallError) in
            try directory.makeSpecial("whiteout", .characterDevice, permissions: 0)
        }
        attempt("device nodes", isOptional: true) { () throws(SyscallError) in
            try directory.makeSpecial(
                "device", .characterDevice, permissions: 0o600,
                device: DeviceNumber(major: 1, minor: 3))
        }
    }

    /// Tries whether files in `directory` can share blocks.
    public mutating func attemptReflink(in directory: Directory) {
        attempt("reflink", isOptional: true) { () throws(SyscallError) in
            try CopyMethod.tryReflink(in: directory)
        }
    }
}
