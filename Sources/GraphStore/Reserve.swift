// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// A file of no use but its size: given up when the disk is full, so that the journal has room for
/// the records that removing layers needs.
struct Reserve {
    private static let bytes: UInt64 = 1 << 20
    /// What is given up at a time: whoever fills the disk takes the rest of it at once.
    private static let stepBytes: UInt64 = 1 << 17
    private let path: FilePath

    init(_ path: FilePath) { self.path = path }

    /// Gives a part of the space to the filesystem.
    ///
    /// - Returns: Whether there was any to give.
    func release() throws(DriverError) -> Bool {
        do throws(SyscallError) {
            let file = try OwnedDescriptor.open(path, .readWrite)
            let size = try file.status().size
            if size == 0 { return false }
            try file.truncate(to: size - min(size, Self.stepBytes))
            // Some filesystems free blocks only when the change of size is on disk.
            try? file.sync()
            return true
        } catch  where error.errno == .noSuchFileOrDirectory {
            return false
        } catch {
            throw DriverError("release \(path)", error)
        }
    }

    /// Does something, and again with ever more of the reserve while there is no space for it.
    func using<Value>(_ body: () throws(DriverError) -> Value) throws(DriverError) -> Value {
        while true {
            do throws(DriverError) {
                return try body()
            } catch  where error.code == .noSpace {
                guard try release() else { throw error }
            }
        }
    }

    /// Takes the space, where there is room for it, and gives it back where there is not.
    ///
    /// Written and not only sized: a hole would reserve nothing.
    func fill() {
        do throws(SyscallError) {
            let file = try OwnedDescriptor.open(path, [.readWrite, .create], permissions: 0o600)
            if try file.status().allocatedBytes >= Self.bytes { return }
            let room = try file.filesystem().availableBytes
            // Taking the last room would only make the disk full again.
            if room < 8 * Self.bytes { return }
            // Not zeros: a filesystem that compresses would keep nothing of them. No call of the
            // kernel for each word either: these are xorshift64's.
            var word = UInt64.random(in: 1...(.max))
            var block: [UInt8] = []
            while block.count < 65_536 {
                word ^= word << 13
                word ^= word >> 7
                word ^= word << 17
                for shift in 0..<8 { block.append(UInt8(truncatingIfNeeded: word >> (shift * 8))) }
            }
            do throws(SyscallError) {
                for index in 0..<(Self.bytes / 65_536) {
                    try file.write(block.span, at: index * 65_536)
                }
            } catch {
                try file.truncate(to: 0)
            }
        } catch {
            // A store without a reserve works; only a full disk is harder on it.
        }
    }
}
