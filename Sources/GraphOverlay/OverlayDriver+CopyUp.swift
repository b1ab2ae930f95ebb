// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
package import GraphCore
package import GraphSystem
import SystemPackage

extension OverlayDriver: CopyUpDriver {
    /// Opens each file for writing, which is what makes overlayfs copy it.
    ///
    /// Nothing is written. That happens in a mount that nobody else sees, and that goes away with this
    /// process, however it ends.
    package func copyUp(
        _ paths: [RawPath], in layer: LayerNumber, parents: [LayerNumber],
        observer: WorkObserver
    ) throws(DriverError) {
        if usesOptionString {
            throw DriverError(
                .unsupported, "this kernel mounts no overlay apart from a place: Linux 6.7 does")
        }
        for mount in try mounts(for: layer, parents: parents, writable: true) {
            let root = try attempting("mount layer \(layer) apart", try mount.openDetached())
            let copyUp = MountedCopyUp(root: root, observer: observer)
            for path in paths { try copyUp.run(path) }
        }
    }
}

/// Copies up in a mount of a layer that is writable.
private struct MountedCopyUp {
    let root: Directory
    let observer: WorkObserver

    /// Copies a file, or all below a directory.
    func run(_ path: RawPath) throws(DriverError) {
        do throws(SyscallError) {
            let opened = try root.resolve(path, .path)
            let status = try opened.status()
            switch status.type {
            case .regular:
                _ = try root.resolve(path, .writeOnly)
            case .directory:
                try copyFiles(below: Directory(owning: opened))
            default:
                throw SyscallError(call: "open(\(path))", errno: .invalidArgument)
            }
        } catch {
            switch error.errno {
            case .noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels,
                .invalidArgument:
                throw DriverError(
                    .invalidArgument,
                    "there is no file or directory \(path) in the layer to copy up", cause: error)
            case .canceled:
                throw DriverError(.cancelled, "stopped on request")
            default:
                throw spaceError("copy up \(path)", error, on: root.descriptor)
            }
        }
    }

    /// Opens all files below for writing, but those with further names: to overlayfs each of these would be a
    /// file of its own from then on.
    private func copyFiles(below directory: Directory) throws(SyscallError) {
        try TreeFiles(below: directory).visit { (way, parent, name, status) throws(SyscallError) in
            if observer.isCancelled {
                throw SyscallError(call: "open(\(way.path(of: name)))", errno: .canceled)
            }
            guard status.type == .regular, status.links == 1 else { return }
            _ = try parent.open(name, .writeOnly)
        }
    }
}
