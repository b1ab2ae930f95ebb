// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem
import Synchronization

import struct SystemPackage.Errno

/// What a directory tree holds apart from the contents of its files: a digest of it and the space it
/// takes, from one walk on all processors.
package struct TreeOutline: Sendable {
    /// The sum over all paths of the sha256 of what each is.
    ///
    /// A sum, so that the order of the walk does not matter. It finds what changed by accident; it
    /// is no proof against somebody who chooses both trees.
    package let digest: Digest
    package let usage: TreeUsage

    /// Looks at everything below `root`, and at `root` itself apart from its time.
    ///
    /// Left out are attributes that belong to the host.
    package init(
        of root: Directory, observer: WorkObserver = .none
    ) throws(ArchiveError) {
        let walk = try OutlineWalk(root, observer)
        try ParallelWork.run(OutlineDirectory(base: root, path: "", name: "")) {
            (directory, work) throws(ArchiveError) in
            try walk.look(at: directory, work)
        }
        (digest, usage) = walk.result()
    }
}

/// A directory that is to be looked at.
///
/// Holds no descriptor of its own, or there would be as many as directories wait: it is reached by
/// path from one further up that is held, and is held itself where the path grows long.
private struct OutlineDirectory: Sendable {
    let base: Directory
    /// From `base`.
    let path: RawPath
    /// From the root of the tree.
    let name: RawPath

    static let pathBytesMax = 1_024

    func open() throws(SyscallError) -> Directory {
        Directory(owning: try base.openBeneath(path.isEmpty ? "." : path, [.readOnly, .directory]))
    }

    /// A directory in this one, which is open as `directory`.
    func child(_ child: RawPath, _ directory: Directory) -> OutlineDirectory {
        path.count > Self.pathBytesMax
            ? OutlineDirectory(base: directory, path: child, name: name.appending(child))
            : OutlineDirectory(
                base: base, path: path.appending(child), name: name.appending(child))
    }
}

private final class OutlineWalk: Sendable {
    private struct Sum {
        var digest = Digest.zero
        var usage = TreeUsage()
        /// For each file with several names the sum over those that have been seen.
        var links: [FileIdentity: Link] = [:]
    }

    private struct Link {
        var names: Digest
        let bytes: UInt64
    }

    private let observer: WorkObserver
    private let device: DeviceNumber
    private let sum: Mutex<Sum>

    init(_ root: Directory, _ observer: WorkObserver) throws(ArchiveError) {
        self.observer = observer
        let status = try attempting("look at /", try root.status())
        device = status.device
        var first = Sum()
        first.usage = TreeUsage(bytes: status.allocatedBytes, inodes: 1)
        var entry = OutlineEntry()
        entry.add("", status, hasTime: false)
        entry.add(
            attributes: try attempting("read attributes of /", try root.attributes(of: ".").all()))
        first.digest = entry.digest
        sum = Mutex(first)
    }

    func result() -> (digest: Digest, usage: TreeUsage) {
        sum.withLock { sum in
            var digest = sum.digest
            for link in sum.links.values {
                digest = digest.adding(Digest.of(Array(link.names.hex.utf8)))
            }
            return (digest, sum.usage)
        }
    }

    func look(
        at directory: OutlineDirectory, _ work: ParallelWork<OutlineDirectory, ArchiveError>
    ) throws(ArchiveError) {
        try observer.report(WorkProgress(phase: "looking", completedBytes: 0))
        do throws(SyscallError) {
            let open = try directory.open()
            var own = Sum()
            for (index, item) in try open.listing().enumerated() {
                if index % 256 == 255 { try observer.requireGoOnCalls() }
                let status = try open.status(of: item.name)
                if status.device != device || status.isMountRoot { continue }
                try look(at: item.name, status, open, directory, &own)
                if status.type == .directory { work.add(directory.child(item.name, open)) }
            }
            add(own)
        } catch {
            if error.errno == .canceled { throw .cancelled }
            throw ArchiveError(
                .system, "could not look at /\(directory.name)", cause: error)
        }
    }

    private func look(
        at name: RawPath, _ status: FileStatus, _ open: Directory, _ directory: OutlineDirectory,
        _ own: inout Sum
    ) throws(SyscallError) {
        let path = directory.name.appending(name)
        var entry = OutlineEntry()
        entry.add(path, status, hasTime: true)
        if status.type == .symbolicLink { entry.add(target: try open.readLink(name)) }
        entry.add(attributes: try open.attributes(of: name).all())
        own.digest = own.digest.adding(entry.digest)
        if status.type != .directory && status.links > 1 {
            let digest = Digest.of(Array(path.bytes))
            if let known = own.links[status.identity]?.names {
                own.links[status.identity]?.names = known.adding(digest)
                return
            }
            own.links[status.identity] = Link(names: digest, bytes: status.allocatedBytes)
        }
        own.usage.bytes += status.allocatedBytes
        own.usage.inodes += 1
    }

    private func add(_ own: Sum) {
        sum.withLock { sum in
            sum.digest = sum.digest.adding(own.digest)
            sum.usage.bytes += own.usage.bytes
            sum.usage.inodes += own.usage.inodes
            for (identity, link) in own.links {
                guard let known = sum.links[identity]?.names else {
                    sum.links[identity] = link
                    continue
                }
                sum.links[identity]?.names = known.adding(link.names)
                // Another directory has counted it already.
                sum.usage.inodes -= 1
                sum.usage.bytes -= link.bytes
            }
        }
    }
}

/// The bytes that stand for one path.
private struct OutlineEntry {
    private var bytes: [UInt8] = []

    var digest: Digest { Digest.of(bytes) }

    mutating func add(_ path: RawPath, _ status: FileStatus, hasTime: Bool) {
        append(path.bytes)
        append(UInt64(status.type.outlineNumber))
        // The mode of a link is the kernel's affair, the size of a directory the filesystem's.
        append(status.type == .symbolicLink ? 0 : UInt64(status.permissions))
        append(UInt64(status.uid) << 32 | UInt64(status.gid))
        append(status.type == .directory ? 0 : status.size)
        append(UInt64(status.special.major) << 32 | UInt64(status.special.minor))
        append(status.type == .directory ? 0 : UInt64(status.links))
        append(hasTime ? UInt64(bitPattern: status.modified.seconds) : 0)
        append(hasTime ? UInt64(status.modified.nanoseconds) : 0)
    }

    mutating func add(target: RawPath) { append(target.bytes) }

    mutating func add(attributes: [ExtendedAttribute]) {
        for attribute in attributes.sorted() where AttributeTable.isContent(attribute.name) {
            append(Array(attribute.name.utf8)[...])
            append(attribute.value[...])
        }
    }

    private mutating func append(_ text: ArraySlice<UInt8>) {
        append(UInt64(text.count))
        bytes.append(contentsOf: text)
    }

    private mutating func append(_ number: UInt64) {
        for shift in stride(from: 0, to: 64, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(shift)))
        }
    }
}

extension FileType {
    /// Part of recorded digests: never changed.
    fileprivate var outlineNumber: UInt8 {
        switch self {
        case .regular: 1
        case .directory: 2
        case .symbolicLink: 3
        case .characterDevice: 4
        case .blockDevice: 5
        case .fifo: 6
        case .socket: 7
        }
    }
}
