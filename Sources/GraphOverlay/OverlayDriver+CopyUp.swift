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
            for path in paths { try copyUp(path, in: root, observer) }
        }
    }

    private func copyUp(
        _ path: RawPath, in root: Directory, _ observer: WorkObserver
    ) throws(DriverError) {
        do throws(SyscallError) {
            let opened = try root.resolve(path, .path)
            let status = try opened.status()
            switch status.type {
            case .regular:
                _ = try root.resolve(path, .writeOnly)
            case .directory:
                try Directory(owning: opened).copyUpFiles(observer)
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
}

extension Directory {
    /// Opens all files below for writing, but those with further names: to overlayfs each of these would be a
    /// file of its own from then on.
    fileprivate func copyUpFiles(_ observer: WorkObserver) throws(SyscallError) {
        try TreeFiles(below: self).visit { (way, directory, name, status) throws(SyscallError) in
            if observer.isCancelled {
                throw SyscallError(call: "open(\(way.path(of: name)))", errno: .canceled)
            }
            guard status.type == .regular, status.links == 1 else { return }
            _ = try directory.open(name, .writeOnly)
        }
    }
}
