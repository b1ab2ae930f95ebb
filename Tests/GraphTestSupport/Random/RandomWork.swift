// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
package import SystemPackage

/// What programs do to a mounted tree, at random: few names, so that they meet again and again.
///
/// Renames of directories and changes of metadata come often, since overlayfs may record those
/// without copying anything.
package struct RandomWork {
    private var random: SeededGenerator
    private let root: Directory
    private let place: FilePath

    /// Works in a tree.
    package init(in place: FilePath, seed: UInt64) throws {
        random = SeededGenerator(seed: seed)
        root = try Directory(opening: place)
        self.place = place
    }

    private static let names = ["a", "b", "c", "d", "file", "name with space", "ü"]

    /// Fills an empty tree.
    package mutating func fill() throws {
        for _ in 0..<14 {
            let parent = try anyDirectory()
            if random.chance(45) { try? make(directory: anyName(in: parent)) }
            try? make(file: anyName(in: parent))
        }
        for _ in 0..<3 { try? link() }
    }

    /// Does some things; those that cannot be done are left out.
    package mutating func change(_ count: Int) throws {
        for _ in 0..<count { try? changeSomething() }
    }

    private mutating func changeSomething() throws {
        switch Int.random(in: 0..<100, using: &random) {
        case ..<22: try rename(try anyDirectory())
        case ..<32: try rename(try anyFile())
        case ..<48: try changeMetadata(of: try anyFile())
        case ..<54: try changeMetadata(of: try anyDirectory())
        case ..<60: try edit(try anyFile())
        case ..<66: try link()
        case ..<74: try remove(random.chance(50) ? try anyFile() : try anyDirectory())
        case ..<80: try makeAnew(try anyDirectory())
        case ..<87: try exchange(try anyDirectory(), try anyDirectory())
        case ..<93: try make(file: anyName(in: try anyDirectory()))
        default: try make(directory: anyName(in: try anyDirectory()))
        }
    }

    // MARK: Choosing

    /// All paths in the tree, those of directories apart.
    private func paths() throws -> (directories: [RawPath], others: [RawPath]) {
        var found: (directories: [RawPath], others: [RawPath]) = ([""], [])
        var position = 0
        while position < found.directories.count {
            let path = found.directories[position]
            position += 1
            for entry in try open(path).listing() {
                let below = path.appending(entry.name)
                if entry.type == .directory {
                    found.directories.append(below)
                } else {
                    found.others.append(below)
                }
            }
        }
        return found
    }

    private func open(_ path: RawPath) throws -> Directory {
        Directory(
            owning: try root.openBeneath(path.isEmpty ? "." : path, [.readOnly, .directory]))
    }

    private mutating func anyDirectory() throws -> RawPath {
        try paths().directories.randomElement(using: &random) ?? ""
    }

    private mutating func anyFile() throws -> RawPath {
        try paths().others.randomElement(using: &random) ?? ""
    }

    private mutating func anyName(in directory: RawPath) -> RawPath {
        directory.appending(RawPath(Self.names.randomElement(using: &random) ?? "a"))
    }

    private mutating func anyTime() -> Timestamp {
        Timestamp(seconds: Int64.random(in: 0..<2_000_000_000, using: &random), nanoseconds: 7)
    }

    /// A path's directory, open, and its name there.
    private func split(_ path: RawPath) throws -> (Directory, RawPath) {
        let names = path.components
        guard let last = names.last else {
            throw SyscallError(call: "the root", errno: .invalidArgument)
        }
        return (try open(RawPath(joining: Array(names.dropLast()))), last)
    }

    // MARK: Working

    private mutating func make(directory path: RawPath) throws {
        let (parent, name) = try split(path)
        try parent.makeDirectory(name, permissions: 0o755)
    }

    private mutating func make(file path: RawPath) throws {
        let (parent, name) = try split(path)
        if random.chance(12) { return try parent.makeSymbolicLink(name, to: "a/file") }
        if random.chance(5) { return try parent.makeSpecial(name, .fifo, permissions: 0o600) }
        let file = try parent.open(name, [.writeOnly, .create, .exclusive], permissions: 0o644)
        let count = [0, 1, 100, 5_000, 70_000].randomElement(using: &random) ?? 0
        let byte = UInt8.random(in: 1...255, using: &random)
        try file.write([UInt8](repeating: byte, count: count).span)
    }

    private mutating func rename(_ path: RawPath) throws {
        let (parent, name) = try split(path)
        let (target, newName) = try split(anyName(in: try anyDirectory()))
        try parent.rename(name, to: newName, in: target)
    }

    /// Has two directories change places, in one step or by three renames.
    private mutating func exchange(_ first: RawPath, _ second: RawPath) throws {
        let (left, leftName) = try split(first)
        let (right, rightName) = try split(second)
        if random.chance(50) { return try left.exchange(leftName, with: rightName, in: right) }
        try left.rename(leftName, to: "between", in: left)
        do {
            try right.rename(rightName, to: leftName, in: left)
        } catch {
            return try left.rename("between", to: leftName, in: left)
        }
        try left.rename("between", to: rightName, in: right)
    }

    private mutating func changeMetadata(of path: RawPath) throws {
        let (parent, name) = try split(path)
        let isLink = try parent.status(of: name).type == .symbolicLink
        let number = UInt32.random(in: 0..<5_000, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0 where !isLink: try parent.setPermissions(of: name, UInt16(number % 0o1000) | 0o400)
        case 1: try parent.setOwner(of: name, uid: number, gid: number / 2)
        case 2 where !isLink:
            let attribute = ExtendedAttribute(
                name: random.chance(50) ? "user.x" : "trusted.y", value: [UInt8(number % 256)])
            try parent.attributes(of: name).set(attribute)
        default: try parent.setTimes(of: name, anyTime())
        }
    }

    private mutating func edit(_ path: RawPath) throws {
        let (parent, name) = try split(path)
        let file = try parent.open(name, [.readWrite, .nonBlocking])
        let size = try file.status().size
        if random.chance(30) { return try file.truncate(to: size / 2) }
        try file.write([7, 8, 9].span, at: random.chance(50) ? size : 0)
    }

    private mutating func link() throws {
        let (parent, name) = try split(try anyFile())
        let (target, newName) = try split(anyName(in: try anyDirectory()))
        try target.makeHardLink(newName, to: name, in: parent)
    }

    private mutating func remove(_ path: RawPath) throws {
        let (parent, name) = try split(path)
        try parent.removeTree(name)
    }

    /// Removes a directory and makes another in its place.
    private mutating func makeAnew(_ path: RawPath) throws {
        try remove(path)
        try make(directory: path)
        if random.chance(50) { try make(file: anyName(in: path)) }
    }
}
