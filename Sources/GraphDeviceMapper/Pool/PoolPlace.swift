// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import Synchronization
import SystemPackage

/// The pool of an open store, opened when it is first needed.
final class PoolPlace: Sendable {
    private struct State {
        // These call back when the trash is emptied: held, neither would ever be let go.
        weak var directories: LayerDirectories?
        var options: DeviceMapperOptions?
        var isReadOnly = true
        var pool: ThinPool?
    }

    private let state = Mutex(State())

    /// Says where the pool is.
    func open(directories: LayerDirectories, options: DeviceMapperOptions, isReadOnly: Bool) {
        state.withLock {
            ($0.directories, $0.options, $0.isReadOnly) = (directories, options, isReadOnly)
        }
    }

    /// The pool, active.
    func pool() throws(DriverError) -> ThinPool {
        try state.withLock { state throws(DriverError) in
            if let pool = state.pool { return pool }
            guard let root = state.directories?.root else { throw Self.missing("the store") }
            let options = state.isReadOnly ? nil : state.options
            guard let pool = try PoolOpening.open(root: root, options: options) else {
                throw Self.missing("\(root)")
            }
            state.pool = pool
            return pool
        }
    }

    private static func missing(_ place: String) -> DriverError {
        DriverError(.layerNotFound, "there is no pool of driver devicemapper in \(place)")
    }

    /// Destroys the volume of a directory in the trash.
    ///
    /// - Throws: `EBUSY` when the volume is in use.
    func empty(_ directory: Directory) throws(SyscallError) {
        var found = try VolumeRecord(in: directory, DeviceMapperLayout.volume)
        if found == nil { found = try VolumeRecord(in: directory, DeviceMapperLayout.making) }
        guard let record = found else { return }
        let (directories, options) = state.withLock { ($0.directories, $0.options) }
        do throws(DriverError) {
            let pool = try pool()
            let discards = options?.discards ?? (pool.settings.kind == .files)
            try pool.delete(
                record.number, discarding: discards ? record.sectors : nil
            ) {
                // A power cut may have had the number given out again.
                ((try? directories?.status(of: record.number, "")) ?? nil) == nil
            }
        } catch {
            throw error.cause
                ?? SyscallError(
                    call: "delete volume \(record.number)", errno: .ioError, detail: error.message)
        }
    }

    /// Facts for `graphctl info`.
    var details: KeyValuePairs<String, String> {
        do throws(DriverError) {
            let pool = try pool()
            let status = try pool.status()
            let kind =
                switch pool.settings.kind {
                case .existing: "given by name"
                case .devices(let data, let metadata): "\(data), \(metadata)"
                case .files: "loop files, for trying out only"
                }
            return [
                "pool": "\(pool.name) (\(kind))", "pool mode": status.mode,
                "pool data": "\(status.dataBlocksUsed) of \(status.dataBlocks) blocks of "
                    + "\(status.blockBytes) bytes",
                "pool metadata": "\(status.metadataBlocksUsed) of \(status.metadataBlocks) blocks",
                "layer filesystem": pool.settings.filesystem,
                "layer size": "\(pool.settings.baseSectors * 512)",
                "changes": Self.sentence(pool),
            ]
        } catch {
            return ["pool": "\(error)"]
        }
    }

    /// Why nothing can be changed, or that all can.
    private static func sentence(_ pool: ThinPool) -> String {
        do throws(DriverError) {
            try pool.requireChangeable()
            return "allowed"
        } catch {
            return error.message
        }
    }
}
