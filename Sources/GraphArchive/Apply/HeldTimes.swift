// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Which times an unpacked layer can have.
///
/// Filesystems cut off without a word what they cannot hold, each elsewhere, and the same archive would
/// give other layers on other machines. So what ext4 cannot hold, which holds least of those that keep
/// times beyond 2038, is replaced everywhere by the time that docker and containerd put in such a place.
struct HeldTimes {
    /// 1901-12-13T20:45:52Z to 2446-05-10T22:38:55Z.
    private static let seconds: ClosedRange<Int64> = -(1 << 31)...((1 << 34) - (1 << 31) - 1)
    /// What every filesystem holds: 1970 to 2038.
    private static let common: ClosedRange<Int64> = 0...((1 << 31) - 1)
    private static let replacement = Timestamp(seconds: 0)

    /// What is known of single seconds beyond those that all hold: few archives have any.
    private var known: [Int64: Bool] = [:]
    private static let knownMax = 1_024

    /// Whether a directory's filesystem holds a time; tried with the directory itself, whose own time is
    /// lost.
    private mutating func holds(
        _ time: Timestamp, _ directory: borrowing Directory
    ) throws(SyscallError) -> Bool {
        if Self.common.contains(time.seconds) { return true }
        guard Self.seconds.contains(time.seconds) else { return false }
        if let known = known[time.seconds] { return known }
        try directory.descriptor.setTimes(time)
        let isHeld = try directory.status().modified.seconds == time.seconds
        if known.count < Self.knownMax { known[time.seconds] = isHeld }
        return isHeld
    }

    /// A member with a time that the filesystem of a layer's directory holds, and whether that is its own.
    mutating func hold(
        _ entry: ArchiveEntry, in directory: Directory
    ) throws(ArchiveError) -> (entry: ArchiveEntry, isHeld: Bool) {
        let isHeld = try attempting("set the time of /", try holds(entry.modified, directory))
        if isHeld { return (entry, true) }
        var entry = entry
        entry.modified = Self.replacement
        return (entry, false)
    }
}
