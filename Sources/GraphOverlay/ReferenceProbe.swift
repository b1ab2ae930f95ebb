// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphSystem
import SystemPackage

/// Looks whether overlayfs makes redirects and metacopies where the mount options ask for them.
struct ReferenceProbe {
    /// A scratch directory.
    let directory: Directory
    let path: FilePath
    let namespace: OverlayNamespace

    /// Renames a lower directory and changes the mode of a lower file, and looks at what is written.
    func run(_ references: References, _ options: [MountOption]) throws(SyscallError) {
        for name in ["lower", "lower/old", "upper", "work"] {
            try directory.makeDirectory(RawPath(name), permissions: 0o700)
        }
        let file = try directory.openDirectory("lower").open(
            "file", [.writeOnly, .create], permissions: 0o600)
        try file.write("data")
        let layers = OverlayLayers(
            lowers: [path.appending("lower")], upper: path.appending("upper"),
            work: path.appending("work"), options: options)
        try layers.withProbeTree(in: directory, at: path) { (root) throws(SyscallError) in
            try root.rename("old", to: "new", in: root)
            try root.setPermissions(of: "file", 0o644)
        }
        let upper = try directory.openDirectory("upper")
        try expect("redirect", of: "new", in: upper)
        if references.contains(.metacopies) { try expect("metacopy", of: "file", in: upper) }
    }

    private func expect(
        _ key: String, of name: RawPath, in upper: Directory
    ) throws(SyscallError) {
        if try upper.attributes(of: name).value(of: namespace.name(key)) == nil {
            throw SyscallError(
                call: "overlay mount", errno: .notSupported,
                detail: "\(name) did not get the attribute \(key)")
        }
    }
}
