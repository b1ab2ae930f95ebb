// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Crypto

/// A sha256 digest.
public struct Digest: Hashable, Comparable, Sendable, CustomStringConvertible {
    // Most significant byte first, so that comparing numbers compares bytes.
    private var words: (UInt64, UInt64, UInt64, UInt64)

    /// Takes the 32 bytes of a finished hash.
    init(_ finished: SHA256.Digest) { self.init(bytes: finished) }

    /// Takes the 32 bytes of a digest.
    init(bytes: some Sequence<UInt8>) {
        words = (0, 0, 0, 0)
        for (index, byte) in bytes.enumerated() {
            switch index / 8 {
            case 0: words.0 = words.0 << 8 | UInt64(byte)
            case 1: words.1 = words.1 << 8 | UInt64(byte)
            case 2: words.2 = words.2 << 8 | UInt64(byte)
            default: words.3 = words.3 << 8 | UInt64(byte)
            }
        }
    }

    /// Reads `sha256:` and 64 lowercase digits of base 16, or the digits alone; nil for all else.
    public init?(parsing text: String) { self.init(parsing: text.utf8.span) }

    /// The same of its UTF-8.
    package init?(parsing digits: Span<UInt8>) {
        let nameCount = Self.hasName(digits) ? 7 : 0
        if digits.count != nameCount + 64 { return nil }
        guard let first = Self.word(digits, nameCount),
            let second = Self.word(digits, nameCount + 16),
            let third = Self.word(digits, nameCount + 32),
            let fourth = Self.word(digits, nameCount + 48)
        else { return nil }
        words = (first, second, third, fourth)
    }

    private static func hasName(_ text: Span<UInt8>) -> Bool {
        guard text.count == 71 else { return false }
        var place = 0
        for byte in "sha256:".utf8 {
            if text[place] != byte { return false }
            place += 1
        }
        return true
    }

    /// Sixteen digits of base 16; nil where one is none.
    private static func word(_ digits: Span<UInt8>, _ start: Int) -> UInt64? {
        guard let high = half(digits, start), let low = half(digits, start + 8) else { return nil }
        return high << 32 | low
    }

    /// Eight digits of base 16, all at once: which of them are letters cannot be foreseen.
    private static func half(_ digits: Span<UInt8>, _ start: Int) -> UInt64? {
        let loaded = unsafe digits.extracting(start..<start + 8).bytes.unsafeLoadUnaligned(
            as: UInt64.self)
        // The first digit in the highest byte.
        let text = UInt64(bigEndian: loaded)
        let ones: UInt64 = 0x0101_0101_0101_0101
        // Letters have the bit 0x40, and their low half counts from 1.
        var values = (text & (0x0f * ones)) + 9 * (text >> 6 & ones)
        let areLetters = (values + 6 * ones) >> 4 & ones
        if values & (0xf0 * ones) != 0 || values + 0x30 * ones + 0x27 * areLetters != text {
            return nil
        }
        values = (values | values >> 4) & 0x00ff_00ff_00ff_00ff
        values = (values | values >> 8) & 0x0000_ffff_0000_ffff
        return (values | values >> 16) & 0xffff_ffff
    }

    /// The digest of bytes in memory.
    public static func of(_ bytes: [UInt8]) -> Digest {
        var hasher = DigestHasher()
        hasher.update(bytes, bytes.count)
        return hasher.digest
    }

    /// The identity of a chain of layers: that of the parent's chain and the layer's own digest,
    /// hashed together; "Layer ChainID" in the OCI image specification.
    ///
    /// `parent` is the parent's chain, nil for a layer without one, whose chain is its own digest.
    /// `diff` is the digest of the layer's uncompressed tar.
    public static func chain(parent: Digest?, diff: Digest) -> Digest {
        parent.map { .of(Array("\($0) \(diff)".utf8)) } ?? diff
    }

    /// 64 lowercase digits of base 16.
    public var hex: String {
        var text = [UInt8](repeating: 0, count: 64)
        var place = 0
        func append(_ word: UInt64) {
            for shift in stride(from: 60, through: 0, by: -4) {
                let digit = UInt8(truncatingIfNeeded: word >> UInt64(shift) & 15)
                text[place] = digit < 10 ? digit + 48 : digit + 87
                place += 1
            }
        }
        append(words.0)
        append(words.1)
        append(words.2)
        append(words.3)
        return String(decoding: text, as: UTF8.self)
    }

    /// The 32 bytes, most significant first.
    var bytes: [UInt8] {
        [words.0, words.1, words.2, words.3].flatMap { word in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> $0) }
        }
    }

    /// `sha256:` and the digits.
    public var description: String { "sha256:" + hex }

    /// No bit set.
    static let zero = Digest(bytes: repeatElement(0, count: 32))

    /// The sum of both as numbers of 256 bits, without what does not fit.
    func adding(_ other: Digest) -> Digest {
        var sum = self
        var carry: UInt64 = 0
        func add(_ left: UInt64, _ right: UInt64) -> UInt64 {
            let (first, hasCarried) = left.addingReportingOverflow(right)
            let (second, hasCarriedAgain) = first.addingReportingOverflow(carry)
            carry = hasCarried || hasCarriedAgain ? 1 : 0
            return second
        }
        sum.words.3 = add(words.3, other.words.3)
        sum.words.2 = add(words.2, other.words.2)
        sum.words.1 = add(words.1, other.words.1)
        sum.words.0 = add(words.0, other.words.0)
        return sum
    }

    /// Orders by bytes.
    public static func < (left: Digest, right: Digest) -> Bool { left.words < right.words }

    /// Compares all bytes.
    public static func == (left: Digest, right: Digest) -> Bool { left.words == right.words }

    /// Any part of a digest is as good as a hash of it.
    public func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}

/// Hashes bytes as they come.
struct DigestHasher {
    private var hasher = SHA256()

    /// Takes the first `count` bytes.
    mutating func update(_ bytes: [UInt8], _ count: Int) {
        precondition(count <= bytes.count, "there are as many bytes")
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe hasher.update(
                bufferPointer: UnsafeRawBufferPointer(rebasing: bytes.prefix(count)))
        }
    }

    /// Takes all bytes.
    mutating func update(_ bytes: Span<UInt8>) {
        unsafe bytes.withUnsafeBytes { unsafe hasher.update(bufferPointer: $0) }
    }

    /// The digest of the bytes taken so far.
    var digest: Digest { Digest(hasher.finalize()) }
}
