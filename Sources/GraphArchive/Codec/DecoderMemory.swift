// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Synchronization

/// The memory that decoders may take for what they must remember of their output.
///
/// Only zstd and xz let a stream ask for more of it than a few megabytes. One room may serve several
/// streams at the same time; each may then take as much as it says.
package final class DecoderMemory: Sendable {
    /// The largest window of a stream that is the only one being decoded: 32 MiB, as a power of
    /// two, so that memory stays bounded.
    ///
    /// Levels up to 19 use 8 MiB; only `--ultra` and `--long` go beyond.
    static let windowLogMax = 25
    /// The same where other work is done at the same time.
    private static let sharedWindowLogMax = 23

    /// Whether other work, such as decoding another stream, is done at the same time.
    package let isShared: Bool
    private let exceeded = Atomic(false)

    /// Makes room for one stream, or for one of several.
    package init(isShared: Bool = false) { self.isShared = isShared }

    /// The largest dictionary of xz, as a power of two: 64 MiB, which `xz -9` writes, where nothing else is
    /// decoded.
    var xzDictionaryLogMax: Int { isShared ? Self.sharedWindowLogMax : 26 }

    var windowLogMax: Int { isShared ? Self.sharedWindowLogMax : Self.windowLogMax }

    /// Whether a stream asked for more than there is in a shared room.
    ///
    /// By itself it may have enough.
    package var wasTooSmall: Bool { exceeded.load(ordering: .relaxed) }

    func takeRefusal() { exceeded.store(isShared, ordering: .relaxed) }
}
