// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
package import SystemPackage

/// Changes a tree at random the way that programs do: few names, so that files and directories take
/// each other's places, move in circles and have several names.
package struct RandomChanges {
    var random: SeededGenerator
    let root: Directory
    /// What there is: the paths of directories, the root's empty one among them, and of all others.
    private(set) var directories: [RawPath] = []
    private(set) var files: [RawPath] = []

    private static let names: [RawPath] = [
        "a", "b", "c", "d", "e", "f", "root", "stage", "o257-7-0", "o261-12-0", "\u{e4} \u{f6}",
        ".wh", "z",
    ]

    /// Works on the directory at a path.
    package init(below path: FilePath, random: SeededGenerator) throws {
        self.random = random
        root = try Directory(opening: path)
        try look()
    }

    /// Fills an empty tree.
    package mutating func fill(count: Int) throws {
        while files.count + directories.count < count {
            for _ in 0..<10 {
                try? makeDirectory()
                for _ in 0..<3 { try? makeFile() }
            }
            try look()
        }
        random = try change(times: 30)
    }

    /// Makes some changes, and returns the generator for the next ones.
    package mutating func change(times: Int) throws -> SeededGenerator {
        for _ in 0..<times {
            // What cannot be done, such as moving a directory into itself, is left out.
            try? changeOnce()
            if random.chance(25) { try look() }
        }
        return random
    }

    private mutating func changeOnce() throws {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<14: try makeFile()
        case 14..<20: try makeDirectory()
        case 20..<30: try edit()
        case 30..<38: try rename(anyPath(), to: newPath())
        case 38..<42: try rename(path(of: directories), to: newPath())
        case 42..<46: try swap(path(of: directories), path(of: directories))
        case 46..<49: try swap(anyPath(), anyPath())
        case 49..<53: try renameAndReplace()
        case 53..<57: try nest()
        case 57..<63: try link()
        case 63..<66: try breakLink()
        case 66..<72: try remove(path(of: files))
        case 72..<74: try remove(path(of: directories))
        case 74..<78: try replaceType()
        case 78..<81: try makeSpecial(newPath())
        case 81..<88: try setMetadata(anyPath())
        case 88..<92: try setAttribute(anyPath())
        case 92..<95: try clone()
        case 95..<97: try comeAndGo()
        default: try cutOrGrow()
        }
    }

    // MARK: What there is

    private mutating func look() throws {
        (directories, files) = ([""], [])
        var waiting: [RawPath] = [""]
        while let path = waiting.popLast() {
            let directory = try open(path)
            for entry in try directory.listing() {
                let below = path.appending(entry.name)
                if entry.type == .directory {
                    directories.append(below)
                    waiting.append(below)
                } else {
                    files.append(below)
                }
            }
        }
    }

    private func open(_ path: RawPath) throws(SyscallError) -> Directory {
        Directory(owning: try root.openBeneath(path.isEmpty ? "." : path, [.readOnly, .directory]))
    }

    private mutating func path(of paths: [RawPath]) -> RawPath {
        paths.randomElement(using: &random) ?? ""
    }

    private mutating func anyPath() -> RawPath { path(of: random.chance(60) ? files : directories) }

    /// A name in some directory, which may be in use.
    private mutating func newPath() -> RawPath {
        let directory = path(of: directories)
        return (directory.components.count < 6 ? directory : "")
            .appending(path(of: Self.names))
    }

    /// Where a path lies.
    private func place(_ path: RawPath) throws(SyscallError) -> (Directory, RawPath) {
        var names = path.components
        guard let name = names.popLast() else {
            throw SyscallError(call: "place", errno: .invalidArgument)
        }
        return (try open(RawPath(joining: names)), name)
    }

    // MARK: Files

    private mutating func bytes(_ count: Int) -> [UInt8] {
        let first = UInt8.random(in: 0...255, using: &random)
        return (0..<count).map { first &+ UInt8(truncatingIfNeeded: $0 / 7) }
    }

    private mutating func size() -> Int {
        Int.random(in: 0...(random.chance(5) ? 140_000 : 600), using: &random)
    }

    private mutating func makeFile() throws {
        let (directory, name) = try place(newPath())
        let file = try directory.open(
            name, [.create, .writeOnly, .truncate, .nonBlocking], permissions: 0o640)
        if random.chance(5) { try file.seek(to: 1 << 15) }
        try file.write(bytes(size()).span)
    }

    /// Writes over a part of a file, perhaps as if nobody had.
    private mutating func edit() throws {
        let (directory, name) = try place(path(of: files))
        let before = try directory.status(of: name)
        let file = try directory.open(name, [.writeOnly, .nonBlocking])
        guard before.type == .regular, before.size > 0 else { return }
        let offset = UInt64.random(in: 0..<before.size, using: &random)
        let count = min(Int(before.size - offset), Int.random(in: 1...9_000, using: &random))
        try file.write(bytes(count).span, at: offset)
        if random.chance(60) { try directory.setTimes(of: name, before.modified) }
    }

    private mutating func cutOrGrow() throws {
        let (directory, name) = try place(path(of: files))
        let file = try directory.open(name, [.writeOnly, .nonBlocking])
        guard try file.status().type == .regular else { return }
        try file.truncate(to: UInt64(size()))
    }

    private mutating func clone() throws {
        let (from, name) = try place(path(of: files))
        let source = try from.open(name, [.readOnly, .nonBlocking])
        let status = try source.status()
        guard status.type == .regular else { return }
        let (directory, target) = try place(random.chance(50) ? newPath() : path(of: files))
        let file = try directory.open(
            target, [.create, .readWrite, .nonBlocking], permissions: 0o600)
        guard try file.status().type == .regular else { return }
        _ = try copyContent(from: source, to: file, size: status.size)
    }

    private mutating func makeDirectory() throws {
        let (directory, name) = try place(newPath())
        try directory.makeDirectory(name, permissions: 0o755)
    }

    private mutating func makeSpecial(_ path: RawPath) throws {
        let (directory, name) = try place(path)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: try directory.makeSpecial(name, .fifo, permissions: 0o600)
        case 1: try directory.makeSpecial(name, .socket, permissions: 0o600)
        case 2: try directory.makeSpecial(name, .characterDevice, permissions: 0)
        case 3:
            try directory.makeSpecial(
                name, .blockDevice, permissions: 0o600, device: DeviceNumber(major: 7, minor: 99))
        default: try directory.makeSymbolicLink(name, to: self.path(of: Self.names))
        }
    }

    // MARK: Names

    private func rename(_ path: RawPath, to other: RawPath) throws {
        let (from, old) = try place(path)
        let (to, new) = try place(other)
        try from.rename(old, to: new, in: to)
    }

    private func swap(_ path: RawPath, _ other: RawPath) throws {
        if path == other || other.hasPrefix(path.joined("/")) || path.hasPrefix(other.joined("/")) {
            return
        }
        try rename(path, to: "swapped")
        try rename(other, to: path)
        try rename("swapped", to: other)
    }

    private mutating func renameAndReplace() throws {
        let path = anyPath()
        try rename(path, to: newPath())
        let (directory, name) = try place(path)
        if random.chance(50) { return try directory.makeDirectory(name, permissions: 0o755) }
        // Still there where both names are one FIFO's, of which nobody reads.
        let file = try directory.open(
            name, [.create, .writeOnly, .nonBlocking], permissions: 0o600)
        try file.write(bytes(size()).span)
    }

    /// Puts a directory below what lay in it, or into a new one in its place.
    private mutating func nest() throws {
        let outer = path(of: directories)
        guard !outer.isEmpty else { return }
        let inner = path(of: directories.filter { $0.hasPrefix(outer.joined("/")) })
        try rename(inner.isEmpty ? outer : inner, to: "nested")
        if inner.isEmpty {
            let (directory, name) = try place(outer)
            try directory.makeDirectory(name, permissions: 0o711)
            return try rename("nested", to: outer.appending(path(of: Self.names)))
        }
        try rename(outer, to: RawPath("nested/").joined(path(of: Self.names)))
        try rename("nested", to: random.chance(60) ? outer : newPath())
    }

    private mutating func link() throws {
        let (from, name) = try place(path(of: files))
        let (to, new) = try place(newPath())
        try to.makeHardLink(new, to: name, in: from)
    }

    /// Puts a copy of a file in place of one of its names.
    private mutating func breakLink() throws {
        let (directory, name) = try place(path(of: files))
        let before = try directory.status(of: name)
        guard before.type == .regular else { return }
        let content = try directory.open(name, .readOnly).readAll(limit: 1 << 20)
        try directory.removeFile(name)
        let file = try directory.open(
            name, [.create, .writeOnly], permissions: before.permissions)
        try file.write(content.span)
        if random.chance(70) { try directory.setTimes(of: name, before.modified) }
    }

    private func remove(_ path: RawPath) throws {
        let (directory, name) = try place(path)
        try directory.removeTree(name)
    }

    private mutating func replaceType() throws {
        let path = anyPath()
        try remove(path)
        let (directory, name) = try place(path)
        switch Int.random(in: 0..<3, using: &random) {
        case 0:
            try directory.makeDirectory(name, permissions: 0o700)
            _ = try open(path).open("a", [.create, .writeOnly], permissions: 0o600)
        case 1: _ = try directory.open(name, [.create, .writeOnly], permissions: 0o600)
        default: try makeSpecial(path)
        }
    }

    private mutating func comeAndGo() throws {
        let directory = try open(path(of: directories))
        _ = try directory.open("passing", [.create, .writeOnly], permissions: 0o600)
        try directory.removeFile("passing")
    }

    // MARK: Metadata

    private mutating func setMetadata(_ path: RawPath) throws {
        let (directory, name) = try place(path)
        switch Int.random(in: 0..<3, using: &random) {
        case 0:
            guard try directory.status(of: name).type != .symbolicLink else { return }
            try directory.setPermissions(
                of: name, UInt16.random(in: 0o600...0o777, using: &random))
        case 1:
            let id = UInt32.random(in: 0...3, using: &random)
            try directory.setOwner(of: name, uid: id, gid: id)
        default:
            let seconds = Int64.random(in: 1_000_000_000...1_000_000_005, using: &random)
            try directory.setTimes(of: name, Timestamp(seconds: seconds))
        }
    }

    private mutating func setAttribute(_ path: RawPath) throws {
        let (directory, name) = try place(path)
        let key = random.chance(50) ? "trusted.one" : "trusted.two"
        if random.chance(40) { return try directory.attributes(of: name).remove(key) }
        let value = bytes(Int.random(in: 0...200, using: &random))
        try directory.attributes(of: name).set(ExtendedAttribute(name: key, value: value))
    }
}
