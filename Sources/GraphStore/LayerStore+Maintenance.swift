// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore

extension LayerStore {
    /// Compares records, disk and kernel, and changes nothing.
    ///
    /// A deep check also reads every committed layer and compares its content with the digest that
    /// was recorded. A sound store has no findings.
    public func check(
        deep: Bool = false, observer: WorkObserver = .none
    ) throws(DriverError) -> [Finding] {
        try checking.run(deep: deep, observer: observer)
    }

    /// Clears what nothing owns: interrupted operations, bytes of removed layers, records of mounts
    /// that ended, and what waits to be freed.
    ///
    /// What another process is making now is left alone. A dry run only tells what would be cleared;
    /// what could not be cleared is logged.
    ///
    /// A layer that has no record and was not removed is kept and told of. With `orphans` it is freed,
    /// too, and a store whose records were lost goes on with those that it has.
    @discardableResult
    public func collectGarbage(
        dryRun: Bool = false, orphans: Bool = false, observer: WorkObserver = .none
    ) throws(DriverError) -> [Finding] {
        try collection.run(dryRun: dryRun, orphans: orphans, observer: observer)
    }

    /// How many things that were removed the kernel has still to free by itself, whoever removed them
    /// on this filesystem; nil where that does not happen, or this user is not told.
    public func freeingCount() -> Int? { driver.freeingCount() }
}
