// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem
import SystemPackage

/// Somebody who uses a layer's tree and of whom no record tells.
public struct LayerUse: Hashable, Sendable {
    /// Who that is, as the end of a sentence that says that the layer is in use: `by process 7`.
    public let holder: String

    /// Names a user.
    public init(_ holder: String) { self.holder = holder }

    /// Names a mount, with who keeps its namespace.
    package init(_ mount: KernelMount) {
        self.init("at \(mount.target)" + Self.namespace(mount.namespace))
    }

    /// Names a mount namespace with who keeps it, as the end of a sentence; nothing for the caller's own.
    package static func namespace(_ namespace: UInt64) -> String {
        if (try? MountPoint.currentNamespace()) == namespace { return "" }
        let start = " in mount namespace \(namespace), "
        let processes = (try? MountPoint.processes(inNamespace: namespace)) ?? []
        if !processes.isEmpty {
            let list = processes.prefix(3).map(String.init).joined(separator: ", ")
            return start + "where process \(list)\(processes.count > 3 ? " and more" : "") lives"
        }
        if let pin = (try? MountPoint.pin(ofNamespace: namespace)) ?? nil {
            return start + "a namespace without a process that is kept by \(pin)"
        }
        return start + "a namespace without a process"
    }

    package init(_ user: TreeUsers.User) {
        switch user {
        case .mount(let mount): self.init(mount)
        case .process(let process):
            self.init("by process \(process), in a mount that was taken out of its namespace")
        }
    }
}

/// What is about to be done with a layer that nobody may use meanwhile.
public enum LayerStep: Sendable {
    /// It is mounted for writing.
    case mounting
    /// It is sealed.
    case committing
    /// It is removed.
    case removing
}
