// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphCore
import GraphSystem
import SystemPackage

extension DeviceMapperDriver {
    /// The directories of the store and the volumes of the pool, put together.
    ///
    /// A volume without a directory is a layer that nobody owns, and a finished layer without a volume
    /// is none. Where the store or the pool can only be read, directories are all that is told.
    package func inventory() throws(DriverError) -> [InventoryItem] {
        // First, because a directory is made before its volume and goes after it.
        let volumes = try volumes()
        let items = try directories.inventory().filter {
            $0.location != "\(Self.name)/\(DeviceMapperLayout.pool)"
        }
        guard let volumes else { return items }
        var ownerless = volumes
        var found: [InventoryItem] = []
        for item in items {
            switch item.kind {
            case .layer(let layer):
                ownerless.remove(layer.rawValue)
                // One that is being made may not have its volume yet.
                let isFinished = try directories.status(of: layer, DeviceMapperLayout.volume) != nil
                if isFinished && !volumes.contains(layer.rawValue),
                    try !self.volumes(anew: layer)
                {
                    found.append(
                        InventoryItem(
                            .foreign, location: "\(item.location), whose volume is not in the pool")
                    )
                } else {
                    found.append(item)
                }
            case .trash:
                if let number = trashed(item.location) { ownerless.remove(number.rawValue) }
                found.append(item)
            case .foreign: found.append(item)
            }
        }
        for number in ownerless.sorted() {
            found.append(
                InventoryItem(
                    .layer(LayerNumber(rawValue: number)), location: "volume \(number) of the pool")
            )
        }
        return found
    }

    /// The numbers of the pool's volumes without the base; nil where they cannot be listed.
    private func volumes() throws(DriverError) -> Set<UInt32>? {
        guard (try? directories.writableDirectory()) != nil else { return nil }
        let pool = try place.pool()
        // Listing them is a change of the metadata.
        if !pool.isChangeable { return nil }
        let numbers = try PoolMetadata.volumes(of: pool).map(\.number)
        return Set(numbers).subtracting([DeviceMapperLayout.base])
    }

    /// Whether the pool has the volume of a layer that was made since the volumes were listed.
    private func volumes(anew layer: LayerNumber) throws(DriverError) -> Bool {
        try volumes()?.contains(layer.rawValue) ?? true
    }

    /// The layer whose directory a name in the trash stands for: `trash/devicemapper-NUMBER-TOKEN`.
    private func trashed(_ location: String) -> LayerNumber? {
        let parts = location.split(separator: "/").last?.split(separator: "-") ?? []
        return parts.count == 3 ? LayerNumber(String(parts[1])) : nil
    }

    /// Removes a volume that has no directory; does nothing where it waits in the trash.
    func removeUnrecorded(_ layer: LayerNumber) throws(DriverError) {
        let items = try directories.inventory()
        if items.contains(where: { $0.kind == .trash && trashed($0.location) == layer }) { return }
        guard let known = try volumes(), known.contains(layer.rawValue) else { return }
        try place.pool().delete(layer, discarding: nil) {
            // A directory made since then owns it.
            ((try? directories.status(of: layer, "")) ?? nil) == nil
        }
    }
}
