// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore

/// The locks of a store's layers.
struct LayerLocks: Sendable {
    let paths: StorePaths
    let isReadOnly: Bool

    /// The number that stands for the comparison of records and disk after the machine's start.
    static let boot: LayerNumber = 0

    /// Keeps all others from mounting, unmounting, committing and removing a layer.
    ///
    /// A lock in ROOT and no transaction: it costs three system calls, dies with its process, and holds
    /// up nobody who works on another layer.
    func with<Value>(
        _ number: LayerNumber, _ body: () throws(DriverError) -> Value
    ) throws(DriverError) -> Value {
        let lock = try LayerLock(on: number, paths, isReadOnly: isReadOnly)
        defer { withExtendedLifetime(lock) {} }
        return try body()
    }

    /// Locks layers one after the other; all processes take the topmost first.
    func with<Value>(
        _ numbers: ArraySlice<LayerNumber>, _ body: () throws(DriverError) -> Value
    ) throws(DriverError) -> Value {
        guard let first = numbers.first else { return try body() }
        return try with(first) { () throws(DriverError) in
            try with(numbers.dropFirst(), body)
        }
    }
}
