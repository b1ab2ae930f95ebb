// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive

/// Forgets what it is given.
final class NullSink: ByteSink {
    func write(_ bytes: Span<UInt8>) throws(ArchiveError) {}
    func finish() throws(ArchiveError) {}
}
