// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Writes how a tree differs from another as a layer tar.
///
/// The bytes depend on the two trees alone, not on the backend, the host or the order in which
/// things were made: names sorted, numbers instead of user names, deletions one by one (never an
/// opaque marker), the first name of a file with its data and the others as hard links to it.
///
/// `sink` gets the uncompressed tar, and is finished. Throws ``ArchiveError/Code/unsupported``
/// for what no layer tar can say, such as a file whose name begins with `.wh.`.
public func writeTreeDiff(
    _ source: DiffSource, to sink: any ByteSink, observer: WorkObserver = .none
) throws(ArchiveError) {
    var writer = TreeDiffWriter(sink, observer)
    try writer.writeRoot(source)
    try DiffWalk(source, .complete, observer).run { (difference) throws(ArchiveError) in
        try writer.write(difference)
    }
    try writer.finish()
}

/// The same, hashed on the way to the sink; both on a thread of their own.
public func writeHashedTreeDiff(
    _ source: DiffSource, to sink: any ByteSink, observer: WorkObserver = .none
) throws(ArchiveError) -> WrittenTar {
    let pipe = try HashingPipe(sink)
    try writeTreeDiff(source, to: pipe, observer: observer)
    return pipe.result
}

private struct TreeDiffWriter: ~Copyable {
    private var tar: TarWriter
    private let observer: WorkObserver
    private var writtenBytes: UInt64 = 0
    /// The first name of each file with several.
    private var firstNames: [FileIdentity: RawPath] = [:]
    private var buffer = [UInt8](repeating: 0, count: 1 << 18)

    init(_ sink: any ByteSink, _ observer: WorkObserver) {
        tar = TarWriter(sink)
        self.observer = observer
    }

    /// The root is named when there was none, or when its own attributes differ.
    mutating func writeRoot(_ source: DiffSource) throws(ArchiveError) {
        guard let top = source.new.layers.first else { return }
        let status = try attempting("look at /", try top.status())
        let attributes = try source.new.encoding.contentAttributes(
            of: ".", in: top, .directory, mayRefer: true)
        if let below = source.old.layers.first {
            let before = try attempting("look at /", try below.status())
            let same =
                before.permissions == status.permissions && before.uid == status.uid
                && before.gid == status.gid
            let old = try source.old.encoding.contentAttributes(
                of: ".", in: below, .directory, mayRefer: true)
            if same && old == attributes { return }
        }
        try writeWithoutData(
            ArchiveEntry(".", .directory, status: status, attributes: attributes))
    }

    mutating func write(_ difference: Difference) throws(ArchiveError) {
        try observer.report(WorkProgress(phase: "writing", completedBytes: writtenBytes))
        guard let entry = difference.entry else {
            return try writeWhiteout(difference.path)
        }
        let path = difference.path
        if entry.name.hasPrefix(".wh.") {
            throw ArchiveError(
                .unsupported, "/\(path) cannot be put into a layer tar: .wh. marks deletions there")
        }
        let status = entry.status
        if status.type != .directory && status.links > 1 {
            if let first = firstNames[status.identity] {
                let link = ArchiveEntry(path, .hardLink(target: first), status: status)
                return try writeWithoutData(link)
            }
            firstNames[status.identity] = path
        }
        let attributes = try entry.attributes()
        let kind: ArchiveEntry.Kind
        switch status.type {
        case .regular:
            return try writeFile(entry, path, attributes)
        case .directory: kind = .directory
        case .symbolicLink:
            kind = .symbolicLink(
                target: try attempting("read the link /\(path)", try entry.readLink()))
        case .characterDevice: kind = .characterDevice(status.special)
        case .blockDevice: kind = .blockDevice(status.special)
        case .fifo: kind = .fifo
        case .socket: return
        }
        try writeWithoutData(ArchiveEntry(path, kind, status: status, attributes: attributes))
    }

    consuming func finish() throws(ArchiveError) { try tar.finish() }

    /// A deletion: an empty file with mode and times of zero, since nothing of it is kept.
    private mutating func writeWhiteout(_ path: RawPath) throws(ArchiveError) {
        let marker = RawPath(".wh.").joined(path.lastName)
        let marked = path.parent.map { $0.appending(marker) } ?? marker
        try writeWithoutData(ArchiveEntry(path: marked, kind: .file(size: 0), permissions: 0))
    }

    private mutating func writeWithoutData(_ entry: ArchiveEntry) throws(ArchiveError) {
        try tar.begin(entry)
        try tar.finishEntry()
    }

    private mutating func writeFile(
        _ entry: MergedEntry, _ path: RawPath, _ attributes: [ExtendedAttribute]
    ) throws(ArchiveError) {
        let data = try attempting("open /\(path)", try entry.openFile())
        // The file may have changed since it was looked at; what is open now is what is written.
        let status =
            data.isElsewhere
            ? entry.status : try attempting("look at /\(path)", try data.file.status())
        try tar.begin(
            ArchiveEntry(path, .file(size: status.size), status: status, attributes: attributes))
        // Moved out, since a span of it may not lie in `self` while `self` is changed.
        var buffer = self.buffer
        self.buffer = []
        defer { self.buffer = buffer }
        var offset: UInt64 = 0
        while offset < status.size {
            let want = Int(min(UInt64(buffer.count), status.size - offset))
            let got = try attempting(
                "read /\(path)", try data.file.read(into: &buffer, count: want, at: offset))
            if got < want {
                throw ArchiveError(.system, "/\(path) became shorter while it was read")
            }
            try tar.write(buffer.span.extracting(0..<got))
            offset += UInt64(got)
            writtenBytes += UInt64(got)
            try observer.report(WorkProgress(phase: "writing", completedBytes: writtenBytes))
        }
        try tar.finishEntry()
    }
}

extension ArchiveEntry {
    fileprivate init(
        _ path: RawPath, _ kind: Kind, status: FileStatus, attributes: [ExtendedAttribute] = []
    ) {
        self.init(
            path: path, kind: kind, permissions: status.permissions, uid: status.uid,
            gid: status.gid, modified: status.modified, attributes: attributes)
    }
}
