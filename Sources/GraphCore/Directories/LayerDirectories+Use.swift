// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphSystem
import SystemPackage

/// What a layer's directory tells of mounts that nobody has a record of.
///
/// `NUMBER/use` is a symbolic link to nothing, to `bind`, kept from the first mount on where the layer was shown
/// by bind mounts, which have to be looked for.
extension LayerDirectories {
    private static let use: RawPath = "use"
    private static let bind: RawPath = "bind"

    /// What ``use`` says; nil where the layer was never mounted.
    private func useMark(of layer: LayerNumber) throws(DriverError) -> RawPath? {
        guard let directory else { return nil }
        do throws(SyscallError) {
            return try directory.readLink(layer.name.appending(Self.use))
        } catch  where error.errno == .noSuchFileOrDirectory {
            return nil
        } catch {
            throw DriverError("look for users of layer \(layer)", error)
        }
    }

    /// Records that a layer is about to be shown by a bind mount; does nothing in a store that is only read.
    ///
    /// On a filesystem without room for it a layer is shown without, where it is only looked at: what a view
    /// shows is sealed, and looking works on a full disk.
    public func markBind(of layer: LayerNumber, writable: Bool) throws(DriverError) {
        guard let directory, !isReadOnly else { return }
        do throws(SyscallError) {
            try directory.makeSymbolicLink(layer.name.appending(Self.use), to: Self.bind)
        } catch  where error.errno == .fileExists {
            return
        } catch  where !writable && [.noSpace, .diskQuotaExceeded].contains(error.errno) {
            return
        } catch {
            throw spaceError("mark layer \(layer) as mounted", error, on: directory.descriptor)
        }
    }

    /// Makes all bind mounts of a layer's tree read-only, for ``FreezingDriver/freezeMounts(of:)``.
    public func freezeBinds(of layer: LayerNumber, _ tree: RawPath) throws(DriverError) {
        guard let directory else { return }
        let user: TreeUsers.User?
        do throws(SyscallError) {
            let tree = try directory.openDirectory(layer.name.appending(tree))
            user = try TreeUsers(of: tree).freeze()
        } catch {
            throw DriverError(freezing: layer, error)
        }
        if let user { throw DriverError(freezing: layer, LayerUse(user)) }
    }

    /// Who reaches a layer's tree by a bind mount, in whatever namespace or none.
    ///
    /// Costs one call for a layer that was never mounted. Processes are looked into before a layer is
    /// committed, and after one of its mounts was taken away by somebody else: that takes a hundred calls for
    /// each process. Otherwise namespaces tell, since several bind mounts do each other no harm, and
    /// what is removed needs no protection.
    public func bindUse(
        of layer: LayerNumber, _ tree: RawPath, before step: LayerStep, hasLostMount: Bool
    ) throws(DriverError) -> LayerUse? {
        if step != .committing, try useMark(of: layer) == nil { return nil }
        guard let directory else { return nil }
        let isThorough = step == .committing || hasLostMount
        let user: TreeUsers.User?
        do throws(SyscallError) {
            let tree = try directory.openDirectory(layer.name.appending(tree))
            user = try TreeUsers(of: tree).first(searchesProcesses: isThorough)
        } catch  where error.errno == .noSuchFileOrDirectory && step == .removing {
            // What is not there is in nobody's use.
            return nil
        } catch {
            throw DriverError("look for users of layer \(layer)", error)
        }
        return user.map { LayerUse($0) }
    }
}

extension DriverError {
    /// Describes a layer that somebody could write to while it is sealed.
    package init(freezing layer: LayerNumber, _ use: LayerUse) {
        self.init(
            .layerInUse, "layer \(layer) is in use \(use.holder), where it cannot be made read-only"
        )
    }

    /// Describes why mounts could not be made read-only.
    package init(freezing layer: LayerNumber, _ error: SyscallError) {
        if error.errno == .resourceBusy {
            self.init(.layerInUse, "a file of layer \(layer) is open for writing", cause: error)
        } else {
            self.init("make the mounts of layer \(layer) read-only", error)
        }
    }
}
