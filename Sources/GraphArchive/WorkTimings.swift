// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// What the time of a long operation went into.
///
/// Several of these go on at once, so their sum may be more than the time that passed.
public struct WorkTimings: Hashable, Sendable {
    /// Reading the stream, with the waiting for whoever writes it.
    public var read = Duration.zero
    /// Decompressing or compressing.
    public var decompress = Duration.zero
    /// Hashing the plain tar.
    public var hash = Duration.zero
    /// Writing files, with the waiting for what is to be written.
    public var write = Duration.zero
    /// Looking at the result: its digest and its size.
    public var verify = Duration.zero
    /// Putting the result on disk.
    public var sync = Duration.zero

    /// Nothing yet.
    public init() {}

    /// Adds what another operation took.
    public static func += (left: inout WorkTimings, right: WorkTimings) {
        left.read += right.read
        left.decompress += right.decompress
        left.hash += right.hash
        left.write += right.write
        left.verify += right.verify
        left.sync += right.sync
    }
}
