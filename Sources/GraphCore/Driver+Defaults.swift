// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphSystem
public import SystemPackage

extension Driver {
    /// The driver's name, of an instance.
    public var name: String { Self.name }

    public static var livesOnBed: Bool { true }

    public static var optionPrefix: String { name }

    public func reopen(_ layer: LayerNumber) throws(DriverError) {}

    public func isUnfinished(_ layer: LayerNumber) throws(DriverError) -> Bool { false }

    public func settle(_ layer: LayerNumber) throws(DriverError) {}

    public func restore(
        _ layer: LayerNumber, parents: [LayerNumber], limits: LayerLimits,
        observer: WorkObserver
    ) throws(DriverError) -> Bool { false }

    public func requireChangeable() throws(DriverError) {}

    public func freeingCount() -> Int? { nil }

    public func unrecordedUse(
        of layer: LayerNumber, before step: LayerStep, hasLostMount: Bool
    ) throws(DriverError) -> LayerUse? { nil }

    public func attachDevice(
        of layer: LayerNumber, for holder: LayerNumber, writable: Bool
    ) throws(DriverError) -> FilePath {
        throw DriverError(
            .unsupported,
            "layers of driver \(name) are directories: only devicemapper has block devices to give")
    }

    public func detachDevice(for holder: LayerNumber) throws(DriverError) {}

    public func device(for holder: LayerNumber) throws(DriverError) -> FilePath? { nil }

    public func copyUp(
        _ paths: [RawPath], in layer: LayerNumber, parents: [LayerNumber],
        observer: WorkObserver
    ) throws(DriverError) {
        throw DriverError(
            .unsupported,
            "driver \(name) copies no file to write to it: there is nothing to copy up")
    }

    public func usage(
        of layer: LayerNumber, parents: [LayerNumber], walked: TreeUsage
    ) throws(DriverError) -> LayerUsage {
        try usage(of: layer, parents: parents)
    }
}
