// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphCore
import GraphSystem
package import SystemPackage

/// What an administrator does with the pool of a store.
package struct PoolControl: Sendable {
    private let pool: ThinPool

    /// Opens the pool of a store, and makes it active where it is not.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/invalidArgument`` when the store has none.
    package init(root: FilePath) throws(DriverError) {
        let place = try TrustedDirectory(root)
        if let directory = place.opened {
            let driver = RawPath(DeviceMapperLayout.driver)
            try Trust.require([(driver, .directory)], in: directory, place.path)
        }
        guard let pool = try PoolOpening.open(root: place.path, options: nil) else {
            throw DriverError(
                .invalidArgument, "there is no store of driver devicemapper at \(root)")
        }
        self.pool = pool
    }

    /// The pool's name in `/dev/mapper`.
    package var name: String { pool.name }

    /// Whether it lies on files below the store's root, for trying out.
    package var isOnFiles: Bool { pool.settings.kind == .files }

    /// How the pool fares.
    package func status() throws(DriverError) -> PoolStatus { try pool.status() }

    /// Lets the pool take all of its devices, after the files of a pool for trying out have been made
    /// larger: nil leaves one as it is.
    package func grow(
        dataBytes: UInt64? = nil, metadataBytes: UInt64? = nil
    ) throws(DriverError) {
        let lock = try ThinPool.lock(in: pool.path)
        try PoolGrowth(of: pool).growLocked(dataBytes: dataBytes, metadataBytes: metadataBytes)
        _ = consume lock
    }

    /// Takes the pool and the devices of its volumes out of the kernel, as before the machine stops;
    /// the next opening of the store brings the pool back.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/layerInUse`` when a volume is in use.
    package func stop() throws(DriverError) {
        try IdleDevices(of: pool).remove()
        guard pool.settings.poolName.hasPrefix(pool.settings.prefix) else { return }
        do throws(SyscallError) {
            try pool.removeUnused(name, awaitingNode: true)
        } catch  where error.errno == .resourceBusy {
            throw DriverError(.layerInUse, "layers of pool \(name) are mounted", cause: error)
        } catch {
            throw DriverError("stop pool \(name)", error)
        }
    }
}
