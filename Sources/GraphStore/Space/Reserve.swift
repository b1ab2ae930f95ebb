// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// Files of no use but their size: removed one by one when the disk is full, so that the journal has
/// room for the records that removing layers needs.
///
/// Many files, because whoever fills the disk takes at once what is given up, and btrfs, which writes
/// every block anew, needs a little for each removal; and whole ones, because a full btrfs refuses to
/// cut a file but not to remove it.
struct Reserve {
    private static let partsCount = 32
    /// What a part is called until it is whole.
    private static let begun: RawPath = "new"
    private let path: FilePath
    private let partBytes: Int

    init(_ path: FilePath, partBytes: Int = 32_768) {
        (self.path, self.partBytes) = (path, partBytes)
    }

    /// Gives a part of the space to the filesystem.
    ///
    /// - Returns: Whether there was any to give.
    func release() throws(DriverError) -> Bool {
        do throws(SyscallError) {
            let directory = try Directory(opening: path)
            for part in try directory.firstListing() {
                guard try remove(part.name, in: directory) else { continue }
                // Some filesystems free blocks only when the removal is on disk.
                try? directory.sync()
                return true
            }
            return false
        } catch  where error.errno == .noSuchFileOrDirectory {
            return false
        } catch  where error.errno == .notDirectory {
            try attempting("release \(path)", try removeFormer())
            return true
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

    /// Takes the space, where there is room for it.
    func fill() {
        do throws(SyscallError) {
            let directory = try open()
            let present = Set(try directory.firstListing().map { $0.name })
            let missing = (0..<Self.partsCount).map { RawPath("\($0)") }
                .filter { !present.contains($0) }
            if missing.isEmpty { return }
            // Taking the last room would only make the disk full again.
            let room = try directory.descriptor.filesystem()
            let lacksInodes = room.totalInodes > 0 && room.freeInodes < 8 * Self.partsCount
            let bytes = UInt64(partBytes * Self.partsCount)
            if room.availableBytes < 8 * bytes || lacksInodes { return }
            let block = noise()
            for name in missing { try write(block, name, in: directory) }
        } catch {
            // A store without a reserve works; only a full disk is harder on it.
        }
    }

    private func open() throws(SyscallError) -> Directory {
        do throws(SyscallError) {
            return try Directory(opening: path)
        } catch  where error.errno == .noSuchFileOrDirectory {
            // Not yet made, or deleted by hand.
        } catch  where error.errno == .notDirectory {
            try removeFormer()
        }
        let root = try Directory(opening: path.removingLastComponent())
        return try root.makeOrOpenDirectory(name, permissions: 0o700)
    }

    /// Removes what the first stores had: one file, which was cut.
    private func removeFormer() throws(SyscallError) {
        let root = try Directory(opening: path.removingLastComponent())
        _ = try remove(name, in: root)
    }

    private var name: RawPath { RawPath(path.lastComponentName) }

    /// Written and not only sized: a hole would reserve nothing.
    ///
    /// Under its name only when it is whole, so that names tell what there is. Of two processes that
    /// write the same one, the second finds it named already.
    private func write(
        _ block: [UInt8], _ name: RawPath, in directory: Directory
    ) throws(SyscallError) {
        let file = try directory.open(Self.begun, [.readWrite, .create], permissions: 0o600)
        do throws(SyscallError) {
            try file.write(block.span, at: 0)
            try directory.rename(Self.begun, to: name, in: directory)
        } catch {
            _ = try remove(Self.begun, in: directory)
            throw error
        }
    }

    /// Removes a file, unless somebody else has.
    private func remove(_ name: RawPath, in directory: Directory) throws(SyscallError) -> Bool {
        do throws(SyscallError) {
            try directory.removeFile(name)
            return true
        } catch  where error.errno == .noSuchFileOrDirectory {
            return false
        }
    }

    /// Bytes that no filesystem compresses.
    ///
    /// No call of the kernel for each word: these are xorshift64's.
    private func noise() -> [UInt8] {
        var word = UInt64.random(in: 1...(.max))
        var block: [UInt8] = []
        while block.count < partBytes {
            word ^= word << 13
            word ^= word >> 7
            word ^= word << 17
            for shift in 0..<8 { block.append(UInt8(truncatingIfNeeded: word >> (shift * 8))) }
        }
        return block
    }
}
