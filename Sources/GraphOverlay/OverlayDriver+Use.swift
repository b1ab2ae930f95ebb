// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
package import GraphCore
import GraphSystem
import SystemPackage

extension OverlayDriver {
    /// Whether any overlay has the layer's upper directory: mounted anywhere, unmounted lazily, or in a
    /// namespace without a process.
    ///
    /// An overlay holds the inode of its work directory until its last user is gone, and writes only in
    /// the directory `work` that the kernel makes in there. So `work/work` is moved to a directory that
    /// takes the place of the old one, which has no name then, and exists for as long as an overlay holds
    /// it. One that does notices nothing of this.
    package func unrecordedUse(
        of layer: LayerNumber, before step: LayerStep, hasLostMount: Bool
    ) throws(DriverError) -> LayerUse? {
        let known = try attempting(
            "look for users of layer \(layer)", try formerWork(of: layer))
        // The kernel makes that with the first mount.
        let made = OverlayLayout.work.appending(OverlayLayout.work)
        if known == nil, try directories.status(of: layer, made) == nil { return nil }
        let isUsed: Bool
        do throws(SyscallError) {
            isUsed = try hasOverlay(try directories.openForUse(layer), layer, known)
        } catch {
            throw DriverError("look for users of layer \(layer)", error)
        }
        return isUsed ? try holder(of: layer) : nil
    }

    private func hasOverlay(
        _ directory: Directory, _ layer: LayerNumber, _ known: InodeHandle?
    ) throws(SyscallError) -> Bool {
        var current: InodeHandle?
        do throws(SyscallError) {
            current = try InodeHandle(of: OverlayLayout.work, in: directory)
        } catch  where error.errno == .noSuchFileOrDirectory {
            // Sealed, and not recorded as such; or the process died that was about to give it a new one.
        } catch {
            return try isUpperBusy(layer)
        }
        if let known, known != current {
            switch known.exists(beside: directory) {
            case true?: return true
            case nil: return try isUpperBusy(layer)
            case false?: break
            }
        }
        guard let current else { return false }
        if known != current {
            // Before the name is gone, because nothing else tells of the inode then.
            try directory.descriptor.setAttribute(
                ExtendedAttribute(name: formerWorkName, value: Array(current.text.bytes)))
        }
        do throws(SyscallError) {
            try replaceWork(in: directory)
        } catch  where error.errno == .directoryNotEmpty {
            // Somebody keeps something of his own in there.
            return try isUpperBusy(layer)
        }
        switch current.exists(beside: directory) {
        case true?: return true
        case nil: return try isUpperBusy(layer)
        case false?: return false
        }
    }

    /// The attribute of a layer's directory that has the handle of a former work directory.
    private var formerWorkName: String { namespace.name("former-work") }

    private func formerWork(of layer: LayerNumber) throws(SyscallError) -> InodeHandle? {
        do throws(SyscallError) {
            return try directories.openedDirectory?
                .attributes(of: layer.name).value(of: formerWorkName)
                .flatMap { InodeHandle(text: RawPath(partOf: $0[...])) }
        } catch  where error.errno == .noSuchFileOrDirectory {
            return nil
        }
    }

    /// Takes the name of the work directory away, and gives what the kernel made in it to another one.
    private func replaceWork(in directory: Directory) throws(SyscallError) {
        do throws(SyscallError) {
            try directory.makeDirectory(OverlayLayout.fresh, permissions: 0o700)
        } catch  where error.errno == .fileExists {
            // Left by a process that died here.
        }
        let made = OverlayLayout.work.appending(OverlayLayout.work)
        do throws(SyscallError) {
            try directory.rename(
                made, to: OverlayLayout.fresh.appending(OverlayLayout.work), in: directory)
        } catch  where error.errno == .noSuchFileOrDirectory {
            // Moved by that process.
        }
        // Replaces an empty directory in one step.
        try directory.rename(OverlayLayout.fresh, to: OverlayLayout.work, in: directory)
    }

    /// Asks overlayfs itself, where handles tell nothing: some milliseconds, and a line in the kernel's log.
    private func isUpperBusy(_ layer: LayerNumber) throws(SyscallError) -> Bool {
        try OverlayLayers.isInUse(
            upper: layout.diff(layer),
            options: namespace == .user ? [MountOption("userxattr")] : [])
    }

    /// Who has the layer mounted, as far as the kernel tells.
    private func holder(of layer: LayerNumber) throws(DriverError) -> LayerUse {
        let survey = try attempting(
            "look for mounts of layer \(layer)",
            try MountSurvey(.overlay(upper: layout.diff(layer))))
        if let mount = survey.found.first { return LayerUse(mount) }
        return LayerUse(
            "by a process, in a mount that was taken out of its namespace: the kernel does not tell "
                + "which one")
    }
}

extension OverlayDriver: FreezingDriver {
    /// An overlay is one filesystem however often it is bound to other places, so that one reachable mount of it
    /// stands for those of all namespaces.
    package func freezeMounts(of layer: LayerNumber) throws(DriverError) {
        var frozen: Set<DeviceNumber> = []
        let found: [KernelMount]
        do throws(SyscallError) {
            found = try MountSurvey(.overlay(upper: layout.diff(layer))).found
            for mount in found where !frozen.contains(mount.device) {
                if try mount.freeze(wholeFilesystem: true) { frozen.insert(mount.device) }
            }
        } catch {
            throw DriverError(freezing: layer, error)
        }
        if let mount = found.first(where: { !frozen.contains($0.device) }) {
            throw DriverError(freezing: layer, LayerUse(mount))
        }
        // Its use was found, and no place of it: it was unmounted lazily.
        if found.isEmpty { throw DriverError(freezing: layer, try holder(of: layer)) }
    }
}

extension LayerDirectories {
    /// Opens a layer's directory for a look at its users.
    fileprivate func openForUse(_ layer: LayerNumber) throws(SyscallError) -> Directory {
        guard let directory = openedDirectory else {
            throw SyscallError(call: "openat(\(layer))", errno: .noSuchFileOrDirectory)
        }
        return try directory.openDirectory(layer.name)
    }
}
