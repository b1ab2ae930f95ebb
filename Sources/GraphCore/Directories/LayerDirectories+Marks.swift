// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphSystem

/// How a layer's directory tells whether the layer was ever finished: by its sticky bit, which means
/// nothing in a directory that one user owns.
///
/// It comes with the directory, in the same call, and goes once the layer's record is on disk, or its
/// intent is. So a directory without a record that bears it was being made when the power was cut, and
/// one that does not is a layer whose record was lost. Stores from before have no marks: their layers
/// are finished.
extension LayerDirectories {
    static let unfinished: UInt16 = 0o1700
    private static let settled: UInt16 = 0o700
    private static let mark: UInt16 = 0o1000

    /// Whether a layer is not known to be finished, or not there at all.
    public func isUnfinished(_ layer: LayerNumber) throws(DriverError) -> Bool {
        guard let status = try status(of: layer, "") else { return true }
        return status.permissions & Self.mark != 0
    }

    /// Takes the mark away; one call.
    public func settle(_ layer: LayerNumber) throws(DriverError) {
        let directory = try writableDirectory()
        try attempting(
            "settle layer \(layer)",
            try directory.setPermissions(of: layer.name, Self.settled))
    }

    /// Takes the mark away where there is one; one call where there is none.
    public func settleIfMarked(_ layer: LayerNumber) throws(DriverError) {
        guard let status = try status(of: layer, ""), status.permissions & Self.mark != 0 else {
            return
        }
        try settle(layer)
    }

    /// Makes a recorded active layer again where a power cut took it.
    ///
    /// The mark is taken away after everything that `make` does. Where names reach the disk in the
    /// order of the changes, a directory that still bears it may lack any of that; and nothing in it was
    /// put on disk by somebody, since that sync would have taken the mark along. Elsewhere `create`
    /// has synced the directory, and a mark tells nothing.
    ///
    /// `part` is what a layer cannot be without; `isUntouched` is asked of a marked one, and is false
    /// where something was written to it all the same. Tells whether there was something to do.
    public func restore(
        _ layer: LayerNumber, needing part: RawPath,
        isUntouched: () throws(DriverError) -> Bool = { () throws(DriverError) in true },
        make: () throws(DriverError) -> Void
    ) throws(DriverError) -> Bool {
        if let found = try status(of: layer, "") {
            let isWhole = try status(of: layer, part) != nil
            if isWhole {
                let isMarked = !syncsNames && found.permissions & Self.mark != 0
                if !isMarked { return false }
                if try !isUntouched() {
                    try settle(layer)
                    return false
                }
            }
            try detach(layer)
        }
        try make()
        try settle(layer)
        return true
    }
}
