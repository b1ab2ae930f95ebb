// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import SystemPackage

/// The least that is a driver: a directory a layer, in which deletions stand as overlayfs records them.
///
/// A mount shows the layer's own directory and not its parents.
struct FolderDriver: Driver {
    static let name = "folder"
    let root: FilePath
    let capabilities: DriverCapabilities
    /// `fails`, or `fails` and the number of the only layer that is not removed.
    private let removal: String?

    static func probe(root: FilePath) -> [Requirement] { [] }

    init(root: FilePath, options: DriverOptions, readOnly: Bool) throws(DriverError) {
        try options.check(known: ["depth", "remove"], driver: Self.name)
        self.root = root
        removal = options.values["remove"]
        let depth = options.values["depth"].flatMap { Int($0) }
        capabilities = DriverCapabilities(depthMax: depth)
        if readOnly { return }
        for name in [Self.name, "trash"] {
            _ = try attempting(
                "make a folder",
                try Directory(opening: root).makeOrOpenDirectory(RawPath(name), permissions: 0o700))
        }
    }

    private var layers: FilePath { root.appending(Self.name) }

    private func directory(_ layer: LayerNumber) throws(DriverError) -> Directory {
        do throws(SyscallError) {
            return try Directory(opening: layers.appending("\(layer)"))
        } catch {
            throw DriverError(.layerNotFound, "layer number \(layer) has no bytes", cause: error)
        }
    }

    func create(
        _ layer: LayerNumber, parents: [LayerNumber], limits: LayerLimits,
        observer: WorkObserver
    ) throws(DriverError) {
        if let parent = parents.first { _ = try directory(parent) }
        if try status(RawPath("\(layer)")) != nil {
            if try !isUnfinished(layer) {
                throw DriverError(.layerExists, "layer number \(layer) has bytes already")
            }
            try remove(layer)
        }
        let below = try attempting("open the root", try Directory(opening: root))
        do throws(SyscallError) {
            try Directory(opening: layers).makeDirectory(
                RawPath("\(layer)"), permissions: 0o755)
            _ = try below.open(mark(layer), [.writeOnly, .create], permissions: 0o600)
        } catch {
            throw spaceError("make layer number \(layer)", error, on: below.descriptor)
        }
    }

    // The directory itself is the layer's content, whose mode is looked at: so the mark has a file of its
    // own. A sticky directory bears one, too, for tests that make directories.
    private func mark(_ layer: LayerNumber) -> RawPath { RawPath(".unfinished-\(layer)") }

    private func status(_ name: RawPath) throws(DriverError) -> FileStatus? {
        try attempting(
            "look at \(name)",
            try Directory(opening: layers).statusIfPresent(of: name))
    }

    func isUnfinished(_ layer: LayerNumber) throws(DriverError) -> Bool {
        guard let status = try status(RawPath("\(layer)")) else { return true }
        if status.permissions & 0o1000 != 0 { return true }
        return try attempting(
            "look at layer number \(layer)",
            try Directory(opening: root).statusIfPresent(of: mark(layer)) != nil)
    }

    func settle(_ layer: LayerNumber) throws(DriverError) {
        do throws(SyscallError) {
            try Directory(opening: root).removeFile(mark(layer))
        } catch  where error.errno == .noSuchFileOrDirectory {
            return
        } catch {
            throw DriverError("settle layer number \(layer)", error)
        }
    }

    func seal(
        _ layer: LayerNumber, parents: [LayerNumber], durability: Durability
    ) throws(DriverError) {
        let directory = try directory(layer)
        if durability == .durable {
            try attempting("sync layer number \(layer)", try directory.descriptor.syncFilesystem())
        }
        try settle(layer)
    }

    func remove(_ layer: LayerNumber) throws(DriverError) {
        if removal == "fails" || removal == "fails \(layer)" {
            throw DriverError(.system, "this driver was told to remove nothing")
        }
        try settle(layer)
        do throws(SyscallError) {
            try Directory(opening: layers).rename(
                RawPath("\(layer)"),
                to: RawPath("\(layer).\(UInt64.random(in: 0...UInt64.max))"),
                in: Directory(opening: root.appending("trash")))
        } catch  where error.errno == .noSuchFileOrDirectory {
            return
        } catch {
            throw DriverError("remove layer number \(layer)", error)
        }
    }

    func reclaim(observer: WorkObserver) throws(DriverError) -> UInt64 {
        try attempting(
            "empty the trash",
            try { () throws(SyscallError) in
                let trash = try Directory(opening: root.appending("trash"))
                var bytes: UInt64 = 0
                for entry in try trash.listing() {
                    do throws(SyscallError) {
                        bytes += try Self.delete(entry.name, in: trash)
                    } catch  where error.errno == .noSuchFileOrDirectory {
                        continue  // somebody else was quicker
                    }
                }
                return bytes
            }())
    }

    private static func delete(
        _ name: RawPath, in parent: Directory
    ) throws(SyscallError) -> UInt64 {
        let status = try parent.status(of: name)
        if status.type != .directory {
            try parent.removeFile(name)
            return status.allocatedBytes
        }
        let directory = try parent.openDirectory(name)
        var bytes = status.allocatedBytes
        for entry in try directory.listing() { bytes += try delete(entry.name, in: directory) }
        try parent.removeDirectory(name)
        return bytes
    }

    func inventory() throws(DriverError) -> [InventoryItem] {
        try attempting(
            "list the layers",
            try { () throws(SyscallError) in
                var items = try Directory(opening: layers).listing().map { entry in
                    let name = entry.name.description
                    return InventoryItem(
                        LayerNumber(name).map { .layer($0) } ?? .foreign,
                        location: "\(Self.name)/\(name)")
                }
                for entry in try Directory(opening: root.appending("trash")).listing() {
                    items.append(InventoryItem(.trash, location: "trash/\(entry.name)"))
                }
                return items
            }())
    }

    func mounts(
        for layer: LayerNumber, parents: [LayerNumber], writable: Bool
    ) throws(DriverError) -> [Mount] {
        _ = try directory(layer)
        return [
            Mount(.bind(layers.appending("\(layer)")), attributes: writable ? [] : .readOnly)
        ]
    }

    func usage(
        of layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> LayerUsage {
        let directory = try directory(layer)
        return try attempting("measure layer number \(layer)", try Self.usage(of: directory))
    }

    private static func usage(of directory: Directory) throws(SyscallError) -> LayerUsage {
        var usage = LayerUsage(bytes: try directory.status().allocatedBytes, inodes: 1)
        for entry in try directory.listing() {
            let status = try directory.status(of: entry.name)
            if status.type == .directory {
                let below = try Self.usage(of: directory.openDirectory(entry.name))
                usage.bytes += below.bytes
                usage.inodes += below.inodes
            } else {
                usage.bytes += status.allocatedBytes
                usage.inodes += 1
            }
        }
        return usage
    }

    func applyTarget(
        for layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> ApplyTarget {
        ApplyTarget(directory: try directory(layer), namespace: .trusted, lower: try tree(parents))
    }

    func finishApply(
        of layer: LayerNumber, parents: [LayerNumber], observer: WorkObserver
    ) throws(DriverError) {}

    func diffSource(
        of layer: LayerNumber, parents: [LayerNumber],
        from base: LayerNumber?, baseParents: [LayerNumber]
    ) throws(DriverError) -> DiffSource {
        let new = try tree([layer] + parents)
        let old = try tree((base.map { [$0] } ?? []) + baseParents)
        return DiffSource(old: old, new: new)
    }

    private func tree(_ numbers: [LayerNumber]) throws(DriverError) -> LayeredTree {
        if numbers.isEmpty { return .empty }
        var directories: [Directory] = []
        for number in numbers { directories.append(try directory(number)) }
        return LayeredTree(layers: directories, whiteouts: .overlay(.trusted))
    }
}
