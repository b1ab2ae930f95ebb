// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive

/// The bytes of a layer's blob, whose reader hears of a wrong digest before it hears of the end.
final class BlobSource: VerifiedSource {
    private let source: any ByteSource
    private let expected: BlobDigest?
    private var hasher: BlobHasher?
    private let passed: (Int) throws(ArchiveError) -> Void
    private var isVerified = false

    /// - Parameters:
    ///   - range: The bytes of the blob.
    ///   - expected: Their digest, where it is known.
    ///   - passed: Hears how many bytes were read, each time.
    init(
        _ range: FileRange, expected: BlobDigest?,
        passed: @escaping (Int) throws(ArchiveError) -> Void
    ) {
        source = FileRangeSource(range)
        (self.expected, self.passed) = (expected, passed)
        hasher = expected.map { BlobHasher($0.algorithm) }
    }

    func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        let count = try source.read(into: &buffer)
        if count > 0 {
            hasher?.update(buffer, count)
            try passed(count)
        } else if !isVerified {
            isVerified = true
            if let expected, let digest = hasher?.digest, digest != expected {
                throw ArchiveError(
                    .digestMismatch, "the blob \(expected) has the digest \(digest)")
            }
        }
        return count
    }

    func drain() throws(ArchiveError) {
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while try read(into: &buffer) > 0 {}
    }
}
