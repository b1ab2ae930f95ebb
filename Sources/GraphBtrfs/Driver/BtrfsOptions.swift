// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem

/// How the driver finds out where two layers differ, of which one was made of the other.
enum DifferenceSource: String, Hashable, Sendable, CaseIterable {
    /// By what the kernel lets be searched of a layer's metadata.
    case search
    /// By what the kernel would send.
    case send
}

/// Settings of the btrfs driver.
struct BtrfsOptions: Hashable, Sendable {
    /// What every mount of a layer forbids: `mountopt`.
    let attributes: MountAttributes
    /// The limit of layers for which none is asked: `size`.
    let sizeDefault: UInt64?
    /// The smallest limit that may be asked for: `min_space`.
    let sizeMin: UInt64?
    /// The ways to find differences, tried in this order before whole trees are compared: `changes`.
    let differences: [DifferenceSource]

    init(_ options: DriverOptions) throws(DriverError) {
        try options.check(
            known: ["changes", "min_space", "mountopt", "size"], driver: BtrfsLayout.driver)
        attributes = try options.mountAttributes(driver: BtrfsLayout.driver)
        sizeDefault = try Self.bytes("size", options)
        sizeMin = try Self.bytes("min_space", options)
        differences = try Self.differences(options.values["changes"] ?? "auto")
        if let sizeDefault { try check(sizeDefault) }
    }

    private static func differences(_ text: String) throws(DriverError) -> [DifferenceSource] {
        if text == "auto" { return DifferenceSource.allCases }
        if text == "compare" { return [] }
        if let source = DifferenceSource(rawValue: text) { return [source] }
        throw DriverError(
            .invalidArgument,
            "driver btrfs: changes is auto, search, send or compare, not \(text)")
    }

    /// The bytes that a layer's own changes may take; nil for no limit.
    func limit(_ limits: LayerLimits) throws(DriverError) -> UInt64? {
        guard let bytes = limits.bytes ?? sizeDefault else { return nil }
        try check(bytes)
        return bytes
    }

    private func check(_ bytes: UInt64) throws(DriverError) {
        let least = max(sizeMin ?? 1, 1)
        if bytes >= least { return }
        throw DriverError(
            .invalidArgument,
            "driver btrfs: a limit of \(bytes) bytes is less than the \(least) of min_space")
    }

    /// Reads a number of bytes: digits, perhaps with K, M, G or T for powers of 1024.
    private static func bytes(
        _ key: String, _ options: DriverOptions
    ) throws(DriverError) -> UInt64? {
        guard let text = options.values[key] else { return nil }
        let powers: [Character: UInt64] = ["k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40]
        let factor = text.lowercased().last.flatMap { powers[$0] }
        let digits = factor == nil ? text[...] : text.dropLast()
        if !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }),
            let number = UInt64(digits)
        {
            let (bytes, isTooMuch) = number.multipliedReportingOverflow(by: factor ?? 1)
            if !isTooMuch { return bytes }
        }
        throw DriverError(
            .invalidArgument,
            "driver btrfs: \(key) is a number of bytes, such as 1048576 or 10G, not \(text)")
    }
}
