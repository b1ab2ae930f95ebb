// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphSystem

extension Driver {
    /// The driver's name, of an instance.
    public var name: String { Self.name }

    public var depthMax: Int? { capabilities.depthMax }

    public static var livesOnLoopImage: Bool { true }

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

    public func usage(
        of layer: LayerNumber, parents: [LayerNumber], walked: TreeUsage
    ) throws(DriverError) -> LayerUsage {
        try usage(of: layer, parents: parents)
    }
}
