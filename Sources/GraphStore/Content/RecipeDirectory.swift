// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import SystemPackage

/// The recipes of a store's layers: `ROOT/recipes/NUMBER`, and `NUMBER.kept` beside those whose
/// archive replaced some of its own files.
struct RecipeDirectory: Sendable {
    let path: FilePath

    /// Begins the recipe of a layer, in place of what an interrupted operation may have left.
    func begin(_ number: LayerNumber) throws(DriverError) -> PendingRecipe {
        do throws(SyscallError) {
            return try PendingRecipe(number, in: try Directory(opening: path))
        } catch  where error.errno == .noSuchFileOrDirectory {
            try make()
            return try attempting(
                "make a recipe", try PendingRecipe(number, in: try Directory(opening: path)))
        } catch {
            throw DriverError("make a recipe", error)
        }
    }

    /// Makes the directory, unless it is there.
    func make() throws(DriverError) {
        let root = path.removingLastComponent()
        _ = try attempting(
            "make the directory \(path)",
            try Directory(opening: root).makeOrOpenDirectory("recipes", permissions: 0o700))
    }

    /// The recipe of a layer, for a tar to be put together from the layer's files.
    func tar(
        of number: LayerNumber, from layer: Directory
    ) throws(DriverError) -> RecipeTar {
        let recipe = try attempting(
            "open the recipe of layer number \(number)",
            try Directory(opening: path).open(RawPath("\(number)"), .readOnly))
        let kept: OwnedDescriptor?
        do throws(SyscallError) {
            kept = try Directory(opening: path).open(RawPath("\(number).kept"), .readOnly)
        } catch  where error.errno == .noSuchFileOrDirectory {
            kept = nil
        } catch {
            throw DriverError("open what is kept of layer number \(number)", error)
        }
        do throws(ArchiveError) {
            return try RecipeTar(recipe: FileSource(recipe), layer: layer, kept: kept)
        } catch {
            throw DriverError("read the recipe of layer number \(number)", error)
        }
    }

    /// What the files of a recipe have, in bytes.
    func byteCount(of number: LayerNumber) throws(DriverError) -> UInt64 {
        try attempting(
            "look at the recipe of layer number \(number)",
            try { () throws(SyscallError) in
                let directory = try Directory(opening: path)
                var bytes: UInt64 = 0
                for name in PendingRecipe.names(number) {
                    bytes += try directory.statusIfPresent(of: name)?.size ?? 0
                }
                return bytes
            }())
    }

    /// Removes the recipe of a layer, if there is one.
    func remove(_ number: LayerNumber) throws(DriverError) {
        do throws(SyscallError) {
            let directory = try Directory(opening: path)
            for name in PendingRecipe.names(number) {
                do throws(SyscallError) {
                    try directory.removeFile(name)
                } catch  where error.errno == .noSuchFileOrDirectory {
                    continue
                }
            }
        } catch  where error.errno == .noSuchFileOrDirectory {
            return
        } catch {
            throw DriverError("remove the recipe of layer number \(number)", error)
        }
    }

    /// The layers that have files here, and the names that are none of theirs.
    func inventory() throws(DriverError) -> (numbers: Set<LayerNumber>, foreign: [String]) {
        var numbers: Set<LayerNumber> = []
        var foreign: [String] = []
        do throws(SyscallError) {
            for entry in try Directory(opening: path).listing() {
                let name = entry.name.description
                let digits = name.prefix { $0.isASCII && $0.isNumber }
                let suffix = String(name.dropFirst(digits.count))
                if let number = LayerNumber(String(digits)), PendingRecipe.suffixes.contains(suffix)
                {
                    numbers.insert(number)
                } else {
                    foreign.append(name)
                }
            }
        } catch  where error.errno == .noSuchFileOrDirectory {
            return ([], [])
        } catch {
            throw DriverError("list the recipes", error)
        }
        return (numbers, foreign)
    }
}

/// A recipe that is being written.
struct PendingRecipe {
    let writer: RecipeWriter
    private let number: LayerNumber
    private let directory: Directory

    static let suffixes = ["", ".kept", ".new"]

    /// All files that a layer may have.
    static func names(_ number: LayerNumber) -> [RawPath] {
        suffixes.map { RawPath("\(number)\($0)") }
    }

    init(_ number: LayerNumber, in directory: Directory) throws(SyscallError) {
        (self.number, self.directory) = (number, directory)
        let sink = try Self.make("\(number)", in: directory)
        writer = RecipeWriter(FileSink(sink)) { () throws(SyscallError) in
            try Self.make("\(number).kept", in: directory)
        }
    }

    private static func make(
        _ name: String, in directory: Directory
    ) throws(SyscallError) -> OwnedDescriptor {
        try directory.open(RawPath(name), [.readWrite, .create, .truncate], permissions: 0o600)
    }

    /// Ends the recipe and tells how many bytes it takes.
    ///
    /// The files are synced here, unless the layer's device says that the sync of the layer will
    /// do it.
    func finish(
        _ durability: Durability, layerDevice: DeviceNumber?
    ) throws(DriverError) -> UInt64 {
        let action = "write the recipe of layer number \(number)"
        try attempting(archive: action, try writer.finish())
        if writer.hasKept { try resolveKept(action) }
        return try attempting(
            action,
            try { () throws(SyscallError) in
                let isSynced = try directory.status().device == layerDevice
                var bytes: UInt64 = 0
                for name in Self.names(number) {
                    guard let status = try directory.statusIfPresent(of: name) else { continue }
                    bytes += status.size
                    if durability == .durable && !isSynced {
                        try directory.open(name, .readOnly).sync()
                    }
                }
                if durability == .durable && !isSynced { try directory.sync() }
                return bytes
            }())
    }

    /// Puts references to kept contents into the recipe.
    private func resolveKept(_ action: String) throws(DriverError) {
        let (name, new) = (RawPath("\(number)"), RawPath("\(number).new"))
        let (old, made) = try attempting(
            action,
            (
                FileSource(try directory.open(name, .readOnly)),
                FileSink(try Self.make("\(number).new", in: directory))
            ))
        try attempting(archive: action, try writer.resolveKept(in: old, to: made))
        try attempting(action, try directory.rename(new, to: name, in: directory))
    }
}
