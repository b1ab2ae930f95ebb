// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Writes how a tree differs from another as a layer tar, and tells what it left out.
///
/// The bytes depend on the two trees and the form alone, not on the backend, the host or the order in
/// which things were made: names sorted, numbers instead of user names, deletions one by one (never an
/// opaque marker), the first name of a file with its data and the others as hard links to it.
///
/// `sink` gets the uncompressed tar, and is finished. Throws ``ArchiveError/Code/unsupported``
/// for what no layer tar can say, such as a file whose name begins with `.wh.`.
@discardableResult
package func writeTreeDiff(
    _ source: DiffSource, _ form: DiffForm = DiffForm(), to sink: any ByteSink,
    observer: WorkObserver = .none
) throws(ArchiveError) -> [LayerWarning] {
    var writer = TreeDiffWriter(sink, form, observer)
    try writer.writeRoot(source)
    try DiffWalk(source, .complete, observer).run { (difference) throws(ArchiveError) in
        try writer.write(difference)
    }
    let warnings = writer.warnings.all
    try writer.finish()
    return warnings
}

/// The same, hashed on the way to the sink; both on a thread of their own.
package func writeHashedTreeDiff(
    _ source: DiffSource, _ form: DiffForm = DiffForm(), to sink: any ByteSink,
    observer: WorkObserver = .none
) throws(ArchiveError) -> WrittenTar {
    let pipe = try HashingPipe(sink)
    let warnings = try writeTreeDiff(source, form, to: pipe, observer: observer)
    var written = pipe.result
    written.warnings = warnings
    return written
}

private struct TreeDiffWriter: ~Copyable {
    private var tar: TarWriter
    private let form: DiffForm
    private let observer: WorkObserver
    private(set) var warnings = LayerWarnings()
    /// The directory that was left out last.
    private var leftOut: RawPath?
    private var writtenBytes: UInt64 = 0
    /// The first name of each file with several.
    private var firstNames: [FileIdentity: RawPath] = [:]
    private var buffer = [UInt8](repeating: 0, count: 1 << 18)

    init(_ sink: any ByteSink, _ form: DiffForm, _ observer: WorkObserver) {
        tar = TarWriter(sink)
        (self.form, self.observer) = (form, observer)
    }

    /// The root is named when its own attributes are others than before, or without a tree before others
    /// than whoever unpacks a layer gives it.
    mutating func writeRoot(_ source: DiffSource) throws(ArchiveError) {
        guard let top = source.new.layers.first else { return }
        let status = try attempting("look at /", try top.status())
        if source.clearsLocks && status.isLocked {
            try attempting("unlock /", try InodeFlags.clearLocksIfAllowed(of: top.descriptor))
        }
        let attributes = try source.new.whiteouts.contentAttributes(
            of: ".", in: top, .directory, mayRefer: true)
        if let below = source.old.layers.first {
            let before = try attempting("look at /", try below.status())
            let same =
                before.permissions == status.permissions && before.uid == status.uid
                && before.gid == status.gid
            let old = try source.old.whiteouts.contentAttributes(
                of: ".", in: below, .directory, mayRefer: true)
            if same && old == attributes { return }
        } else if !form.alwaysNamesRoot && attributes.isEmpty && status.permissions == 0o755
            && status.uid == 0 && status.gid == 0
        {
            return
        }
        try writeWithoutData(entry(".", .directory, status, attributes))
    }

    /// Whether a name is written that begins as a deletion does, or is the deletion of such.
    private mutating func isWritten(_ path: RawPath) throws(ArchiveError) -> Bool {
        if let leftOut, path.hasPrefix(leftOut) { return false }
        guard path.lastName.hasPrefix(EntryName.marker) else { return true }
        switch form.markedNames {
        case .refused:
            throw ArchiveError(
                .unsupported,
                "/\(path) cannot be put into a layer tar: .wh. marks deletions there"
                    + " (--skip-unrepresentable leaves such names out)")
        case .leftOut:
            warnings.add(.whiteoutName, "/\(path)")
            leftOut = path.appending("")
            return false
        case .written:
            warnings.add(.whiteoutName, "/\(path)")
            return true
        }
    }

    /// A member as the tree has it.
    private func entry(
        _ path: RawPath, _ kind: ArchiveEntry.Kind, _ status: FileStatus,
        _ attributes: [ExtendedAttribute] = []
    ) -> ArchiveEntry {
        ArchiveEntry(
            path: path, kind: kind, permissions: status.permissions, uid: status.uid,
            gid: status.gid,
            modified: form.latest.map { min($0, status.modified) } ?? status.modified,
            attributes: attributes.map(\.archived))
    }

    mutating func write(_ difference: Difference) throws(ArchiveError) {
        try observer.report(WorkProgress(phase: "writing", completedBytes: writtenBytes))
        let path = difference.path
        guard try isWritten(path) else { return }
        guard let entry = difference.entry else { return try writeWhiteout(path) }
        let status = entry.status
        if status.type != .directory && status.links > 1 {
            if let first = firstNames[status.identity] {
                return try writeWithoutData(self.entry(path, .hardLink(target: first), status))
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
        try writeWithoutData(self.entry(path, kind, status, attributes))
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
        try tar.begin(self.entry(path, .file(size: status.size), status, attributes))
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

extension ExtendedAttribute {
    /// As archives have it: what an overlay over the layer would obey is written as overlayfs keeps it.
    fileprivate var archived: ExtendedAttribute {
        guard AttributeTable.owner(of: name) == .overlay, let namespace = OverlayNamespace(of: name)
        else { return self }
        return ExtendedAttribute(name: namespace.escaped(name), value: value)
    }
}
