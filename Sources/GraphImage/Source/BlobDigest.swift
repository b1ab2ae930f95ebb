// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore

import struct Crypto.SHA256
import struct Crypto.SHA512

/// The digest that names a blob of an image: sha256, or sha512 where a registry uses it.
///
/// Layers in a store are always named by sha256; this is what a source calls its files.
public struct BlobDigest: Hashable, Sendable, CustomStringConvertible {
    /// The registered algorithms of the OCI image specification.
    enum Algorithm: String, CaseIterable {
        case sha256, sha512

        /// Hexadecimal digits of a digest.
        var digitCount: Int { self == .sha256 ? 64 : 128 }
    }

    let algorithm: Algorithm
    /// Lowercase digits of base 16.
    let hex: String

    init(_ digest: Digest) { (algorithm, hex) = (.sha256, digest.hex) }

    /// Reads `sha256:` or `sha512:` and the digits; nil for all else.
    public init?(parsing text: String) {
        guard let colon = text.firstIndex(of: ":"),
            let algorithm = Algorithm(rawValue: String(text[..<colon]))
        else { return nil }
        let hex = text[text.index(after: colon)...]
        let digits = Set("0123456789abcdef".utf8)
        guard hex.utf8.count == algorithm.digitCount, hex.utf8.allSatisfy(digits.contains) else {
            return nil
        }
        (self.algorithm, self.hex) = (algorithm, String(hex))
    }

    /// Reads a digest out of a document.
    ///
    /// - Throws: ``DriverError/Code/unsupported`` for another algorithm,
    ///   ``DriverError/Code/invalidArchive`` for what is not a digest.
    init(inDocument text: String) throws(DriverError) {
        if let digest = BlobDigest(parsing: text) {
            self = digest
            return
        }
        let algorithm = text.prefix { $0 != ":" }
        let isName = algorithm.utf8.allSatisfy {
            (48...57).contains($0) || (97...122).contains($0) || [43, 45, 46, 95].contains($0)
        }
        if isName, text.contains(":"), Algorithm(rawValue: String(algorithm)) == nil {
            throw DriverError(
                .unsupported,
                "the digest algorithm \(algorithm.prefix(32)) is not supported; sha256 and sha512 are"
            )
        }
        throw DriverError(.invalidArchive, "\(text.prefix(160)) is not a digest")
    }

    /// The digest of bytes in memory, by the same algorithm.
    func ofSameKind(_ bytes: [UInt8]) -> BlobDigest {
        var hasher = BlobHasher(algorithm)
        hasher.update(bytes, bytes.count)
        return hasher.digest
    }

    fileprivate init(_ algorithm: Algorithm, _ bytes: some Sequence<UInt8>) {
        let digits = Array("0123456789abcdef".utf8)
        self.algorithm = algorithm
        hex = String(
            decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] },
            as: UTF8.self)
    }

    /// The algorithm's name, a colon and the digits.
    public var description: String { "\(algorithm.rawValue):\(hex)" }

    /// Where an OCI image layout keeps the blob.
    var layoutName: String { "blobs/\(algorithm.rawValue)/\(hex)" }
}

/// Hashes the bytes of a blob as they come.
struct BlobHasher {
    private enum State {
        case sha256(SHA256)
        case sha512(SHA512)
    }

    private var state: State

    init(_ algorithm: BlobDigest.Algorithm) {
        state = algorithm == .sha256 ? .sha256(SHA256()) : .sha512(SHA512())
    }

    /// Takes the first `count` bytes.
    mutating func update(_ bytes: [UInt8], _ count: Int) {
        unsafe bytes.withUnsafeBytes { bytes in
            let taken = unsafe UnsafeRawBufferPointer(rebasing: bytes.prefix(count))
            switch state {
            case .sha256(var hasher):
                unsafe hasher.update(bufferPointer: taken)
                state = .sha256(hasher)
            case .sha512(var hasher):
                unsafe hasher.update(bufferPointer: taken)
                state = .sha512(hasher)
            }
        }
    }

    /// Takes all bytes.
    mutating func update(_ bytes: Span<UInt8>) {
        unsafe bytes.withUnsafeBytes { bytes in
            switch state {
            case .sha256(var hasher):
                unsafe hasher.update(bufferPointer: bytes)
                state = .sha256(hasher)
            case .sha512(var hasher):
                unsafe hasher.update(bufferPointer: bytes)
                state = .sha512(hasher)
            }
        }
    }

    /// The digest of the bytes taken so far.
    var digest: BlobDigest {
        switch state {
        case .sha256(let hasher): BlobDigest(.sha256, hasher.finalize())
        case .sha512(let hasher): BlobDigest(.sha512, hasher.finalize())
        }
    }
}
