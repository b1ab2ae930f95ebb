// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore

/// One layer of a chain that is to be applied.
public struct ChainLayer: Sendable {
    /// The digest that its plain tar must have.
    public let diffID: Digest
    /// Labels for the layer when it is new.
    public let labels: [String: String]
    /// Opens its tar, plain or compressed; called on any thread, and once more when the layers are
    /// begun anew, one at a time, since one of them takes too much memory to be read beside another.
    public let open: @Sendable () throws(DriverError) -> any ByteSource

    /// Describes a layer.
    public init(
        diffID: Digest, labels: [String: String] = [:],
        open: @escaping @Sendable () throws(DriverError) -> any ByteSource
    ) {
        (self.diffID, self.labels, self.open) = (diffID, labels, open)
    }
}
