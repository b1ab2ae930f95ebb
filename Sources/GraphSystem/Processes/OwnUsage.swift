// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// Measures what a tree takes besides another one, some of whose blocks its files share.
///
/// Blocks that several files of the tree itself have count once. Data that is not on the disk yet counts
/// as the tree's own.
struct OwnUsage {
    /// The tree that others count already.
    let base: Directory?
    /// Whether a file has been left as the other tree has it, with its blocks.
    let isUntouched: (FileStatus) -> Bool
    /// Blocks that more than one file has, of which it is not known yet whose they are.
    private var shared = BlockRanges()

    /// More runs of blocks than these are not kept: what is found then counts as the tree's own.
    private static let rangesMax = 1 << 19

    init(base: Directory?, isUntouched: @escaping (FileStatus) -> Bool) {
        (self.base, self.isUntouched) = (base, isUntouched)
    }

    /// The bytes of a file that are known to be the tree's own.
    mutating func bytes(
        of name: RawPath, in directory: Directory, _ status: FileStatus, at path: () -> RawPath
    ) throws(SyscallError) -> UInt64 {
        guard status.type == .regular, status.allocatedBytes > 0 else {
            return status.allocatedBytes
        }
        if isUntouched(status) { return 0 }
        guard let (own, found) = try Self.blocks(of: name, in: directory) else {
            return status.allocatedBytes
        }
        if found.isEmpty { return own }
        var rest = found
        rest.merge()
        if let base { rest.subtract(Self.sharedBlocks(at: path(), in: base)) }
        if shared.ranges.count > Self.rangesMax { shared.merge() }
        if shared.ranges.count > Self.rangesMax { return own + rest.bytes }
        shared.add(rest)
        return own
    }

    /// The bytes that are left when all files were asked for: those that are not the other tree's.
    mutating func restBytes(isCancelled: () -> Bool) throws(SyscallError) -> UInt64 {
        shared.merge()
        if let base, !shared.isEmpty {
            // A file was moved, or copied: its blocks may be anywhere.
            try TreeFiles(below: base).visit { (_, directory, name, status) throws(SyscallError) in
                if isCancelled() { throw SyscallError(call: "statx", errno: .canceled) }
                guard status.type == .regular, status.allocatedBytes > 0, !shared.isEmpty,
                    let (_, found) = try Self.blocks(of: name, in: directory)
                else { return }
                shared.subtract(found.ranges)
            }
        }
        return shared.bytes
    }

    /// The bytes of a file that no other one has, and the blocks that others have; nil for one that is
    /// gone, and where the filesystem does not tell.
    private static func blocks(
        of name: RawPath, in directory: Directory
    ) throws(SyscallError) -> (own: UInt64, shared: BlockRanges)? {
        var own: UInt64 = 0
        var shared = BlockRanges()
        do throws(SyscallError) {
            let file = try directory.open(name, [.readOnly, .noFollow, .nonBlocking])
            try FileExtent.visit(of: file) { extent in
                if extent.isShared, let address = extent.address {
                    shared.add(address..<address &+ extent.length)
                } else {
                    own += extent.length
                }
            }
        } catch
            where [
                .noSuchFileOrDirectory, .tooManySymbolicLinkLevels, .notSupported,
                Errno(rawValue: EOPNOTSUPP), Errno(rawValue: ENOTTY),
            ].contains(error.errno)
        {
            return nil
        }
        return (own, shared)
    }

    /// The blocks of a file of the other tree that more than one file has; none where it has no file of this name.
    private static func sharedBlocks(at path: RawPath, in base: Directory) -> [Range<UInt64>] {
        let names = path.components
        guard let name = names.last,
            let found = try? base.openBeneath(
                RawPath(joining: Array(names.dropLast())).orDot, [.readOnly, .directory])
        else { return [] }
        let directory = Directory(owning: found)
        guard let status = try? directory.statusIfPresent(of: name), status.type == .regular,
            let blocks = try? blocks(of: name, in: directory)
        else { return [] }
        return blocks.shared.ranges
    }
}

extension RawPath {
    fileprivate var orDot: RawPath { isEmpty ? "." : self }
}
