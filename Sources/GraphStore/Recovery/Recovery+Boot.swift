// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

extension Recovery {
    /// Compares disk and records once after each start of the machine, since a power cut may have
    /// kept bytes whose record it lost, or the record without the bytes; and forgets the mounts, which
    /// ended with the machine.
    func reconcileAfterBoot(_ boot: String) throws(DriverError) {
        try paths.makeRunRoot()
        try locks.with(LayerLocks.boot) { () throws(DriverError) in
            if case .compared = registry.mark.state(of: boot) { return }
            try registry.forgetAll(before: boot)
            for orphan in try orphans.layers() where orphan.isProvable {
                try driver.remove(orphan.number)
            }
            for orphan in try orphans.ofRecipes() where orphan.isProvable {
                try recipes.remove(orphan.number)
            }
            try removeLostLayers()
            try restoreActiveLayers()
            try registry.mark.write(boot, isCompared: true)
        }
    }

    /// Removes volatile layers that were mounted before the machine's start: parts of what was written to them may
    /// be missing, and nobody is to take them for whole.
    private func removeLostLayers() throws(DriverError) {
        guard let volatile = driver as? any VolatileDriver else { return }
        for record in try activeLayers() {
            do throws(DriverError) {
                if try !volatile.isLost(record.number) { continue }
                let owner = try owner.number()
                try space.withReserve { () throws(DriverError) in
                    try catalog.write("remove layer \(record.layer.id)", .onDisk) {
                        try CatalogWriter($0).beginRemoval(of: record.number, owner: owner)
                    }
                    try pending.discard(record.number)
                }
                log.warn(
                    "layer \(record.layer.id) was volatile, and the machine has stopped since it was "
                        + "mounted; it was removed", record.number)
            } catch {
                log.warn("could not remove a volatile layer", record.number, error)
            }
        }
    }

    private func activeLayers() throws(DriverError) -> [LayerRecord] {
        try catalog.layersWithBytes().filter { $0.layer.kind == .active && $0.state == .ready }
    }

    /// Makes active layers again whose record reached the disk and whose directories did not.
    ///
    /// Nothing is lost with that: an fsync(2) of anything in one would have put the directories on
    /// disk, too.
    private func restoreActiveLayers() throws(DriverError) {
        for record in try activeLayers() {
            do throws(DriverError) {
                let parents = try catalog.parents(of: record.number)
                let isMadeAgain = try driver.restore(
                    record.number, parents: parents, limits: record.layer.limits, observer: .none)
                if !isMadeAgain { continue }
                log.warn(
                    "the power was cut after layer \(record.layer.id) was created, and before it was "
                        + "used; it was made again, empty", record.number)
            } catch {
                log.warn("could not make a layer again that a power cut took", record.number, error)
            }
        }
    }
}
