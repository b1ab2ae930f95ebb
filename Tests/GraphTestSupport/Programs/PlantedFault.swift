// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem
import SystemPackage

/// What may befall a layer on disk, planted at random and with as few traces as there can be: times and
/// sizes stay as they were where the fault itself is not about them.
package enum PlantedFault: String, CaseIterable, Sendable {
    case bitFlip, truncated, replaced, holeFilled
    case missing, extraFile, extraDirectory, changedType
    case mode, owner, attribute, time
    case linkTarget, deviceNumber, linkBroken, linkMade
    /// Only where deletions are recorded.
    case whiteoutRemoved, whiteoutAdded, opaqueRemoved, opaqueAdded

    /// Whether it is about how overlayfs records deletions.
    package var isAboutDeletions: Bool {
        [.whiteoutRemoved, .whiteoutAdded, .opaqueRemoved, .opaqueAdded].contains(self)
    }
}

/// Plants faults in the directory of a layer.
package struct FaultPlanter {
    private struct Place {
        let path: RawPath
        let status: FileStatus
        let isOpaque: Bool

        var parent: RawPath { RawPath(joining: Array(path.components.dropLast())) }
        var name: RawPath { path.components.last ?? "" }
    }

    private let root: Directory
    private let opaque: String
    private var places: [Place] = []
    private var random: SeededGenerator

    /// Looks at a directory; `opaque` is the attribute that marks directories there as opaque.
    package init(
        in root: Directory, opaque: String, random: SeededGenerator
    ) throws(SyscallError) {
        (self.root, self.opaque, self.random) = (root, opaque, random)
        try look("")
    }

    private mutating func look(_ path: RawPath) throws(SyscallError) {
        let directory = try open(path)
        for entry in try directory.listing() {
            let status = try directory.status(of: entry.name)
            // No archive holds a socket.
            if status.type == .socket { continue }
            let isMarked =
                status.type == .directory
                ? try directory.attributes(of: entry.name).value(of: opaque) != nil : false
            let below = path.appending(entry.name)
            places.append(Place(path: below, status: status, isOpaque: isMarked))
            if status.type == .directory { try look(below) }
        }
    }

    private func open(_ path: RawPath) throws(SyscallError) -> Directory {
        Directory(owning: try root.openBeneath(path.isEmpty ? "." : path, [.readOnly, .directory]))
    }

    private mutating func any(_ isMeant: (Place) -> Bool) -> Place? {
        places.filter { !$0.status.isWhiteoutDevice && isMeant($0) }.randomElement(using: &random)
    }

    private mutating func anyFile() -> Place? {
        any { $0.status.type == .regular && $0.status.size > 0 }
    }

    /// Plants one fault.
    ///
    /// `below` has what the parents show, by path.
    ///
    /// - Returns: The path; nil where the layer has no place for such a fault.
    package mutating func plant(_ fault: PlantedFault, below: [RawPath]) throws -> RawPath? {
        switch fault {
        case .whiteoutRemoved, .whiteoutAdded, .opaqueRemoved, .opaqueAdded:
            return try plantDeletion(fault, below)
        case .extraFile, .extraDirectory:
            let parent = any { $0.status.type == .directory }?.path ?? ""
            let path = parent.appending("extra")
            try keepingTime(of: parent) { directory in
                if fault == .extraDirectory {
                    return try directory.makeDirectory("extra", permissions: 0o755)
                }
                _ = try directory.open("extra", [.create, .writeOnly], permissions: 0o644)
            }
            return path
        default:
            guard let place = place(for: fault) else { return nil }
            try keepingTime(of: place.parent) { directory in
                try plant(fault, at: place, in: directory)
            }
            return place.path
        }
    }

    private mutating func place(for fault: PlantedFault) -> Place? {
        switch fault {
        case .bitFlip, .truncated, .replaced: anyFile()
        case .holeFilled:
            any {
                $0.status.type == .regular && $0.status.allocatedBytes + 4_096 <= $0.status.size
            }
        case .mode: any { $0.status.type != .symbolicLink }
        case .attribute: any { [.regular, .directory].contains($0.status.type) }
        case .linkTarget: any { $0.status.type == .symbolicLink }
        case .deviceNumber:
            any { [.characterDevice, .blockDevice].contains($0.status.type) }
        case .linkBroken: any { $0.status.type == .regular && $0.status.links > 1 }
        case .linkMade, .changedType: any { $0.status.type == .regular }
        default: any { _ in true }
        }
    }

    /// Does something in a directory and gives it its time back.
    private func keepingTime(of path: RawPath, _ body: (Directory) throws -> Void) throws {
        let directory = try open(path)
        let time = try directory.status().modified
        try body(directory)
        try directory.setTimes(of: ".", time)
    }

    private mutating func plant(
        _ fault: PlantedFault, at place: Place, in directory: Directory
    ) throws {
        let (name, status) = (place.name, place.status)
        switch fault {
        case .bitFlip:
            try rewrite(name, directory, at: UInt64.random(in: 0..<status.size, using: &random))
        case .holeFilled:
            let file = try directory.open(name, .readOnly)
            let bytes = try file.readAll(limit: 1 << 22)
            let blocks = stride(from: 0, to: bytes.count, by: 4_096).filter { start in
                bytes[start..<min(start + 4_096, bytes.count)].allSatisfy { $0 == 0 }
            }
            let start = blocks.randomElement(using: &random) ?? 0
            try rewrite(name, directory, at: UInt64(start))
        case .truncated:
            try directory.open(name, .writeOnly)
                .truncate(to: UInt64.random(in: 0..<status.size, using: &random))
        case .replaced, .linkBroken:
            try replace(place, in: directory, changing: fault == .replaced)
            // Its other names have one less.
            return
        case .missing:
            try directory.removeTree(name)
            return
        case .changedType:
            try directory.removeTree(name)
            try directory.makeSymbolicLink(name, to: "somewhere")
            return
        case .mode:
            let bit = UInt16(1) << UInt16.random(in: 0..<9, using: &random)
            try directory.setPermissions(of: name, status.permissions ^ bit)
        case .owner:
            try directory.setOwner(of: name, uid: status.uid + 1, gid: status.gid)
            if status.type != .symbolicLink {
                try directory.setPermissions(of: name, status.permissions)
            }
        case .attribute:
            let value: [UInt8] = [UInt8.random(in: 0...255, using: &random), 1, 2, 3, 4, 5]
            try directory.attributes(of: name).set(
                ExtendedAttribute(name: "user.mark", value: value))
        case .time:
            let old = status.modified
            let time = Timestamp(seconds: old.seconds + 1, nanoseconds: old.nanoseconds)
            try directory.setTimes(of: name, time)
            return
        case .linkTarget:
            let old = try directory.readLink(name)
            try directory.removeFile(name)
            try directory.makeSymbolicLink(name, to: old.joined("x"))
            try directory.setOwner(of: name, uid: status.uid, gid: status.gid)
        case .deviceNumber:
            let number = DeviceNumber(major: status.special.major, minor: status.special.minor + 1)
            try directory.removeFile(name)
            try directory.makeSpecial(
                name, status.type, permissions: status.permissions, device: number)
            try directory.setOwner(of: name, uid: status.uid, gid: status.gid)
            try directory.setPermissions(of: name, status.permissions)
        case .linkMade:
            try directory.makeHardLink("another", to: name, in: directory)
        case .extraFile, .extraDirectory, .whiteoutRemoved, .whiteoutAdded, .opaqueRemoved,
            .opaqueAdded:
            break
        }
        try directory.setTimes(of: name, status.modified)
    }

    private func rewrite(_ name: RawPath, _ directory: Directory, at offset: UInt64) throws {
        let file = try directory.open(name, .readWrite)
        var byte: [UInt8] = [0]
        _ = try file.read(into: &byte, count: 1, at: offset)
        byte[0] ^= 0x10
        try file.write(byte.span, at: offset)
    }

    /// Puts a copy in place of a file, with all that the file had but its other names.
    private mutating func replace(
        _ place: Place, in directory: Directory, changing: Bool
    ) throws {
        let (name, status) = (place.name, place.status)
        var content = try directory.open(name, .readOnly).readAll(limit: 1 << 22)
        let attributes = try directory.attributes(of: name).all()
        if changing, let index = content.indices.randomElement(using: &random) {
            content[index] ^= 0xFF
        }
        try directory.removeFile(name)
        let file = try directory.open(name, [.create, .writeOnly], permissions: 0o600)
        try file.write(content.span)
        try file.setOwner(uid: status.uid, gid: status.gid)
        try file.setPermissions(status.permissions)
        for attribute in attributes { try file.setAttribute(attribute) }
        try file.setTimes(status.modified)
    }

    // MARK: Deletions

    private mutating func plantDeletion(
        _ fault: PlantedFault, _ below: [RawPath]
    ) throws -> RawPath? {
        switch fault {
        case .whiteoutRemoved:
            let all = places.filter(\.status.isWhiteoutDevice)
            guard let place = all.randomElement(using: &random) else { return nil }
            try keepingTime(of: place.parent) { try $0.removeFile(place.name) }
            return place.path
        case .whiteoutAdded:
            let own = Set(places.map(\.path))
            let directories = Set(
                places.filter { $0.status.type == .directory && !$0.isOpaque }.map(\.path) + [""])
            let all = below.filter {
                !own.contains($0)
                    && directories.contains(RawPath(joining: Array($0.components.dropLast())))
            }
            guard let path = all.sorted().randomElement(using: &random) else { return nil }
            try keepingTime(of: RawPath(joining: Array(path.components.dropLast()))) {
                try $0.makeSpecial(path.components.last ?? "", .characterDevice, permissions: 0)
            }
            return path
        default:
            let isRemoval = fault == .opaqueRemoved
            let all = places.filter {
                $0.status.type == .directory && $0.isOpaque == isRemoval
                    && (isRemoval || below.contains($0.path))
            }
            guard let place = all.randomElement(using: &random) else { return nil }
            let directory = try open(place.path)
            if isRemoval {
                try directory.attributes(of: ".").remove(opaque)
            } else {
                try directory.attributes(of: ".").set(
                    ExtendedAttribute(name: opaque, value: [UInt8(ascii: "y")]))
            }
            return place.path
        }
    }
}
