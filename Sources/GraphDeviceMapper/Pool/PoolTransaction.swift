// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// The store's record of the last change that it told its pool to make.
struct PoolTransaction {
    private let directory: Directory

    /// Takes the pool's directory.
    init(in directory: Directory) { self.directory = directory }

    /// The number of that change; nil before the first, and where the record says something else.
    func number() throws(SyscallError) -> UInt64? {
        let name = DeviceMapperLayout.transaction
        guard try directory.statusIfPresent(of: name) != nil else { return nil }
        let bytes = try directory.open(name, .readOnly).readAll(limit: 64)
        return UInt64(String(decoding: bytes.prefix { (48...57).contains($0) }, as: UTF8.self))
    }

    /// Replaces it, on disk when this returns.
    func write(_ transaction: UInt64) throws(SyscallError) {
        let file = try directory.open(
            DeviceMapperLayout.transaction, [.writeOnly, .create], permissions: 0o600)
        // Always as long: never cut off, so never empty.
        let digits = String(transaction)
        let text = String(repeating: "0", count: 20 - digits.count) + digits + "\n"
        try file.write(Array(text.utf8).span, at: 0)
        try file.sync()
    }
}
