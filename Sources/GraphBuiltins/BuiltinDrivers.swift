// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphBtrfs
public import GraphCore
import GraphDeviceMapper
import GraphOverlay
import GraphSystem
import GraphVFS
public import SystemPackage

/// The drivers in this build.
public enum BuiltinDrivers {
    /// All of them, in the order in which automatic choice tries them.
    ///
    /// A new driver is one line here; everything else finds it through this list.
    public static let all: [any Driver.Type] = [
        OverlayDriver.self,
        BtrfsDriver.self,
        DeviceMapperDriver.self,
        VFSDriver.self,
    ]

    /// Finds a driver by the name people type.
    ///
    /// - Throws: ``DriverError/Code/invalidArgument`` when there is none, naming those there are.
    public static func named(_ name: String) throws(DriverError) -> any Driver.Type {
        for driver in all where driver.name == name { return driver }
        let names = all.map { $0.name }.joined(separator: ", ")
        throw DriverError(.invalidArgument, "there is no driver \(name); there are \(names)")
    }

    /// Chooses the first driver for which everything that it needs works below `root`.
    ///
    /// Never plain directories, whose copies are a choice for a person to make, nor thin volumes,
    /// which want a pool.
    ///
    /// - Throws: ``DriverError/Code/unsupported``, with what refused each of them.
    public static func automatic(root: FilePath) throws(DriverError) -> any Driver.Type {
        var refusals: [String] = []
        for driver in all where ![VFSDriver.name, DeviceMapperDriver.name].contains(driver.name) {
            let unmet = driver.probe(root: root).first { !$0.isOptional && !$0.isMet }
            guard let unmet, let refusal = unmet.refusal else { return driver }
            refusals.append("\(driver.name) needs \(unmet.name) (\(refusal))")
        }
        throw DriverError(
            .unsupported,
            "no driver works at \(root): " + refusals.joined(separator: "; ")
                + "; driver vfs, which copies whole trees, and driver devicemapper, which wants a pool, "
                + "have to be asked for")
    }
}
