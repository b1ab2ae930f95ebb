// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphSystem
import Synchronization

/// Searches a subvolume for the inodes that were changed after a transaction, on all processors.
///
/// Most of the time goes into the kernel's copying of items: of each block that was written it gives all,
/// whatever few of them matter.
final class InodeSearch: Sendable {
    /// What was found.
    struct Found: Sendable {
        /// The paths in the layer's tree of all names of changed files.
        var files: [RawPath] = []
        /// The changed directories, inside of the tree or not.
        var directories: [ChangedInode] = []
        /// Whether a changed file has several names.
        var haveLinks = false

        fileprivate var count: Int { files.count + directories.count }

        fileprivate mutating func add(_ other: Found) {
            files += other.files
            directories += other.directories
            haveLinks = haveLinks || other.haveLinks
        }
    }

    /// The transaction after which a change counts.
    let made: UInt64
    private let subvolume: Subvolume
    private let found = Mutex(Found())

    /// Describes a search of a subvolume that nobody changes, in memory or on disk.
    init(_ subvolume: Subvolume, made: UInt64) {
        (self.subvolume, self.made) = (subvolume, made)
    }

    /// Searches.
    func run() throws(Refusal) -> Found {
        // The first job makes the others: parts, more of them than threads, for none to be idle.
        try ParallelWork.run(Subvolume.allInodes) { (inodes, work) throws(Refusal) in
            guard inodes == Subvolume.allInodes else { return try self.search(inodes) }
            for part in try self.parts() { work.add(part) }
        }
        return found.withLock { $0 }
    }

    private static let partsCount: UInt64 = 16

    /// Cuts the numbers at which something was changed into parts of equal size.
    private func parts() throws(Refusal) -> [ClosedRange<UInt64>] {
        let all = Subvolume.allInodes
        var end = all.lowerBound + Self.partsCount
        while end < all.upperBound / 2 {
            let hasMore = try asking(
                try subvolume.hasItems(of: end...all.upperBound, writtenSince: made + 1))
            if !hasMore { break }
            end *= 2
        }
        let size = (end - all.lowerBound) / Self.partsCount
        var parts: [ClosedRange<UInt64>] = []
        var start = all.lowerBound
        for _ in 1..<Self.partsCount {
            parts.append(start...(start + size - 1))
            start += size
        }
        // To the very end, whatever was said of it.
        return parts + [start...all.upperBound]
    }

    /// Searches some inodes.
    private func search(_ inodes: ClosedRange<UInt64>) throws(Refusal) {
        var part = InodeSearchPart(self)
        var reader = SearchResultReader(since: made + 1)
        do throws(SyscallError) {
            try subvolume.visitItems(of: inodes, writtenSince: made + 1) { bytes, items in
                do throws(ArchiveError) {
                    let last = try reader.take(bytes, items: items) { part.take($0) }
                    return part.failure == nil ? last : nil
                } catch {
                    part.failure = Refusal(error.description)
                    return nil
                }
            }
        } catch {
            throw Refusal(error)
        }
        if let last = reader.finish() { part.take(last) }
        if let failure = part.failure { throw failure }
        let count = found.withLock { [part] found in
            found.add(part.found)
            return found.count
        }
        if count > CandidateNames.namesMax { throw CandidateNames.tooMuch }
    }

    /// The path in the tree of a directory; nil for those outside of it.
    func path(ofDirectory inode: UInt64) throws(Refusal) -> RawPath? {
        BtrfsLayout.pathInTree(try asking(try subvolume.path(ofDirectory: inode)))
    }

    /// All names of a file, in whichever blocks they are.
    fileprivate func names(of inode: UInt64) throws(Refusal) -> [InodeName] {
        try asking(try subvolume.names(ofInode: inode))
    }
}

/// What one thread finds.
private struct InodeSearchPart {
    private let search: InodeSearch
    var found = InodeSearch.Found()
    var failure: Refusal?
    /// The paths of directories that were asked for.
    private var directories: [UInt64: RawPath?] = [:]

    init(_ search: InodeSearch) { self.search = search }

    mutating func take(_ inode: ChangedInode) {
        // What was only open any more has no names.
        if failure != nil || inode.links == 0 { return }
        do throws(Refusal) {
            if inode.isDirectory {
                found.directories.append(inode)
            } else {
                try addFile(inode)
            }
            if found.count > CandidateNames.namesMax { throw CandidateNames.tooMuch }
        } catch {
            failure = error
        }
    }

    private mutating func addFile(_ inode: ChangedInode) throws(Refusal) {
        if inode.links > 1 { found.haveLinks = true }
        // Some may lie in blocks that were not written again.
        let isComplete = inode.names.count == inode.links
        for name in isComplete ? inode.names : try search.names(of: inode.number) {
            guard let directory = try path(of: name.directory) else { continue }
            found.files.append(directory.appending(name.name))
        }
    }

    private mutating func path(of directory: UInt64) throws(Refusal) -> RawPath? {
        if let known = directories[directory] { return known }
        let path = try search.path(ofDirectory: directory)
        directories[directory] = .some(path)
        return path
    }
}
