// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphArchive
import GraphCore
import GraphImage
import GraphStore

/// `KEY=VALUE`.
struct KeyValue {
    let key: String
    let value: String

    /// Reads a key and a value, which may be empty.
    init(parsing text: String) throws {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty else {
            throw ValidationError("it is not KEY=VALUE")
        }
        (key, value) = (String(parts[0]), String(parts[1]))
    }
}

extension [KeyValue] {
    /// By key; the last of those with one key counts.
    var dictionary: [String: String] {
        Dictionary(map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
    }
}

/// A number of bytes, with a unit or without.
package struct ByteCount {
    package let bytes: UInt64

    /// Reads `1048576`, `1M`, `1MiB`, `1.5G`: units are powers of 1024.
    package init(parsing text: String) throws {
        let units = ["K", "M", "G", "T", "P"]
        var number = text.uppercased()
        for suffix in ["IB", "B"] where number.hasSuffix(suffix) {
            number.removeLast(suffix.count)
            // `IB` needs a unit before it, and `B` alone needs none.
            if suffix == "IB", units.contains(where: { number.hasSuffix($0) }) == false {
                number = ""
            }
            break
        }
        var factor: UInt64 = 1
        for unit in units {
            factor *= 1024
            guard number.hasSuffix(unit) else { continue }
            number.removeLast()
            bytes = try Self.product(number, factor)
            return
        }
        bytes = try Self.product(number, 1)
    }

    private static func product(_ number: String, _ factor: UInt64) throws -> UInt64 {
        if let whole = UInt64(number), number.utf8.allSatisfy({ (48...57).contains($0) }) {
            let (bytes, isTooMuch) = whole.multipliedReportingOverflow(by: factor)
            if !isTooMuch { return bytes }
        } else if factor > 1, number.utf8.allSatisfy({ (48...57).contains($0) || $0 == 46 }),
            let fraction = Double(number),
            let bytes = UInt64(exactly: (fraction * Double(factor)).rounded())
        {
            return bytes
        }
        throw ValidationError("it is not a number of bytes, such as 1048576 or 10G")
    }
}

/// A number of layers.
struct LayerCount {
    let number: Int

    /// Reads 1 to 10000: they are recorded in one transaction, which others wait for.
    init(parsing text: String) throws {
        guard let number = Int(text), (1...10_000).contains(number),
            text.utf8.allSatisfy({ (48...57).contains($0) })
        else { throw ValidationError("it is not a number from 1 to 10000") }
        self.number = number
    }
}

extension Digest {
    /// Reads a digest from the command line.
    static func argument(_ text: String) throws -> Digest {
        if let digest = Digest(parsing: text) { return digest }
        throw ValidationError("it is not sha256: and 64 lowercase digits of base 16")
    }
}

extension Platform {
    /// Reads a platform from the command line.
    static func argument(_ text: String) throws -> Platform {
        if let platform = Platform(parsing: text) { return platform }
        throw ValidationError("it is not a platform such as linux/arm64/v8")
    }
}

extension ImageLocation {
    /// Reads where an image is from the command line.
    static func argument(_ text: String) throws -> ImageLocation {
        if let location = ImageLocation(parsing: text) { return location }
        throw ValidationError("it names a transport, and no file or directory after it")
    }
}

extension LabelFilter {
    /// Reads a filter from the command line.
    static func argument(_ text: String) throws -> LabelFilter {
        if let filter = LabelFilter(parsing: text) { return filter }
        throw ValidationError("it is neither KEY=VALUE nor KEY")
    }
}

extension LayerFilter {
    /// Reads a filter from the command line.
    static func argument(_ text: String) throws -> LayerFilter {
        do throws(DriverError) {
            return try LayerFilter(parsing: text)
        } catch {
            throw ValidationError(error.message)
        }
    }
}

/// How `diff` compresses.
enum CompressionName: String, CaseIterable, ExpressibleByArgument {
    case none, gzip, zstd

    /// The same, as the archive library names it.
    var compression: Compression {
        switch self {
        case .none: .none
        case .gzip: .gzip
        case .zstd: .zstd
        }
    }
}

extension Durability {
    /// Reads `durable` or `unsynced`.
    static func argument(_ text: String) throws -> Durability {
        guard let durability = Durability(rawValue: text) else {
            throw ValidationError("it is neither durable nor unsynced")
        }
        return durability
    }
}
