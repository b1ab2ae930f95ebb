// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

import struct SystemPackage.Errno

/// One name looked up in the layers that merge in a directory, topmost first.
///
/// Step by step what the kernel does (fs/overlayfs/namei.c, `ovl_lookup`): what a layer says about where to
/// go on holds for the layers below it alone, so a lookup ends at the bottom whatever the layers say.
struct MergedLookup {
    private typealias Part = MergedDirectory.Part

    /// Something found in one layer.
    private struct Found {
        /// The directory that has it.
        let part: Part
        let name: RawPath
        let status: FileStatus
        /// The directory itself, if it is one.
        var directory: Part?
    }

    private let name: RawPath
    private let start: MergedDirectory
    /// What is looked for in the layers to come.
    private var target: Redirect
    private var parents: [Part]
    /// Whether `parents` are the roots, which absolute redirects lead to.
    private var isFromRoots = false
    private var position = 0
    private var isStopped = false
    private var isDirectory = false
    /// Whether a file is followed to the layer that has its data.
    private let seeksData: Bool
    /// Whether the file found last is without its data.
    private var lacksData = false
    private var top: Found?
    /// What was found last below `top`.
    private var last: Found?
    private var merged: [Part] = []

    private var whiteouts: WhiteoutFormat { start.whiteouts }

    init(_ name: RawPath, in directory: MergedDirectory, seeksData: Bool = false) {
        (self.name, start, self.seeksData) = (name, directory, seeksData)
        (target, parents) = (.name(name), directory.parts)
    }

    /// What is there; nil when there is nothing.
    ///
    /// `below` is what the directories under the topmost show by themselves, where that is known.
    mutating func run(above below: MergedEntry?? = nil) throws(SyscallError) -> MergedEntry? {
        while hasNext {
            if position == 1, let below, target == .name(name) { return entry(above: below) }
            try advance()
        }
        guard let top else { return nil }
        let directory =
            top.directory == nil
            ? nil : MergedDirectory(parts: merged, roots: start.roots, whiteouts: whiteouts)
        return entry(top, directory)
    }

    /// Where a regular file has its data; nil if it has them itself.
    mutating func dataPlace() throws(SyscallError) -> (part: MergedDirectory.Part, name: RawPath)? {
        while hasNext { try advance() }
        if lacksData {
            throw SyscallError.damage("metacopy of \(name)", "no layer has its data")
        }
        return last.map { ($0.part, $0.name) }
    }

    private var hasNext: Bool { !isStopped && position < parents.count }

    /// Looks into the next layer.
    private mutating func advance() throws(SyscallError) {
        let parent = parents[position]
        let found = try find(in: parent)
        position += 1
        guard let found else { return }
        if top == nil { top = found } else { last = found }
        if let directory = found.directory { merged.append(directory) }
        if case .path = target, !isFromRoots {
            (parents, isFromRoots) = (start.roots, true)
            position = parent.index + 1
        }
    }

    /// What the topmost layer has, with what is known to be below it.
    private func entry(above below: MergedEntry?) -> MergedEntry? {
        guard let top else { return below }
        var directory: MergedDirectory?
        if let own = top.directory {
            directory = MergedDirectory(
                parts: [own] + (below?.directory?.parts ?? []), roots: start.roots,
                whiteouts: whiteouts)
        }
        return entry(top, directory)
    }

    private func entry(_ found: Found, _ directory: MergedDirectory?) -> MergedEntry {
        let mayLackData = found.part.mayRefer && found.status.type == .regular
        return MergedEntry(
            name: name, status: found.status, part: found.part, directory: directory,
            dataSearch: mayLackData ? start : nil, whiteouts: whiteouts)
    }

    /// Looks into one layer.
    private mutating func find(in parent: Part) throws(SyscallError) -> Found? {
        guard case .path(let names) = target else {
            guard case .name(let name) = target else { return nil }
            return try step(to: name, in: parent, before: 0)
        }
        var current = parent
        var found: Found?
        for (index, name) in names.enumerated() {
            found = try step(to: name, in: current, before: names.count - index - 1)
            guard let directory = found?.directory else { break }
            current = directory
        }
        return found
    }

    /// Looks at one name, with `restCount` others to follow behind it in this layer.
    private mutating func step(
        to name: RawPath, in parent: Part, before restCount: Int
    ) throws(SyscallError) -> Found? {
        let place = try parent.place(of: name)
        guard let status = try status(of: place.path, in: place.directory) else { return nil }
        let isLast = restCount == 0
        if try isWhiteout(status, place, parent) || isLast && lacksData && status.type != .regular {
            isStopped = true
            return nil
        }
        guard status.type == .directory else {
            if isDirectory || !isLast {
                isStopped = true
                return nil
            }
            lacksData = try hasDataElsewhere(status, place, parent)
            isStopped = !lacksData
            if lacksData && !parent.isBottom {
                let value = try whiteouts.value(of: "redirect", place.path, in: place.directory)
                try follow(value, of: name, before: 0)
            }
            return Found(part: parent, name: name, status: status, directory: nil)
        }
        if isLast { isDirectory = true }
        let directory = try parent.child(name, status)
        try readMarks(of: name, place, parent, before: restCount)
        return Found(part: parent, name: name, status: status, directory: directory)
    }

    /// A name that is too long for the filesystem is nowhere, as in the kernel.
    private func status(
        of path: RawPath, in directory: Directory
    ) throws(SyscallError) -> FileStatus? {
        do throws(SyscallError) {
            return try directory.statusIfPresent(of: path)
        } catch let error where error.errno == .fileNameTooLong && target != .name(name) {
            return nil
        }
    }

    /// Reads whether a directory hides those below it, and where they are.
    private mutating func readMarks(
        of name: RawPath, _ place: (directory: Directory, path: RawPath), _ parent: Part,
        before restCount: Int
    ) throws(SyscallError) {
        if parent.isBottom { return }
        guard parent.mayRefer else {
            // Nothing below has the name: no need to know.
            if restCount == 0 && position + 1 == parents.count { return }
            if try whiteouts.isOpaque(place.path, in: place.directory) { isStopped = true }
            return
        }
        guard let marks = try whiteouts.directoryMarks(of: place.path, in: place.directory) else {
            return
        }
        if marks.isOpaque {
            isStopped = true
        } else {
            try follow(marks.redirect, of: name, before: restCount)
        }
    }

    /// Changes what is looked for in the layers below, if a redirect says so.
    private mutating func follow(
        _ value: [UInt8]?, of name: RawPath, before restCount: Int
    ) throws(SyscallError) {
        guard let value else { return }
        switch (try Redirect(parsing: value, of: name), target) {
        case (.name(let new), .name):
            target = .name(new)
        case (.name(let new), .path(var names)):
            // What is before the name may itself have been changed by now.
            names[names.count - restCount - 1] = new
            target = .path(names)
        case (.path(let names), .name):
            target = .path(names)
            isStopped = false
        case (.path(let way), .path(let names)):
            target = .path(way + names.suffix(restCount))
            // An opaque directory on the way hides what is below it, but not this place.
            isStopped = false
        }
    }

    private func isWhiteout(
        _ status: FileStatus, _ place: (directory: Directory, path: RawPath), _ parent: Part
    ) throws(SyscallError) -> Bool {
        if whiteouts.isWhiteout(status) { return true }
        guard parent.mayRefer, status.type == .regular, status.size == 0 else { return false }
        return try whiteouts.value(of: "whiteout", place.path, in: place.directory) != nil
    }

    private func hasDataElsewhere(
        _ status: FileStatus, _ place: (directory: Directory, path: RawPath), _ parent: Part
    ) throws(SyscallError) -> Bool {
        guard seeksData, parent.mayRefer, status.type == .regular else { return false }
        return try whiteouts.isMetacopy(place.path, in: place.directory)
    }
}
