// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

import struct SystemPackage.Errno

/// The contents that are in no member's file any more, of a layer that is being unpacked: those that a
/// recipe still refers to are kept, and those in the layer recorded, since nothing else would vouch for
/// them.
///
/// Few archives have any: they must have hard links to files of the parents, or replace a file of their own
/// that has another name.
final class UnnamedContents {
    private let recipe: RecipeWriter?
    private let observer: WorkObserver
    /// Copies of parents' files, which have another name, unless that was replaced.
    private var mayHaveLinked = false
    /// What was left of names that were replaced.
    private var mayHaveOthers = false

    /// Without a recipe nothing is kept or recorded.
    init(_ recipe: RecipeWriter?, _ observer: WorkObserver) {
        (self.recipe, self.observer) = (recipe, observer)
    }

    /// Takes note that a file of the parents was copied into the layer.
    func addCopy() { mayHaveLinked = true }

    /// Saves the content of a file that is about to be removed, since the recipe refers to it.
    func keep(
        _ path: RawPath, _ status: FileStatus, _ name: RawPath, of directory: Directory
    ) throws(SyscallError) {
        guard let recipe, status.type == .regular, status.size > 0 else { return }
        // Its other names go on showing what the recipe has elsewhere now.
        if status.links > 1 { mayHaveOthers = true }
        let file = try directory.open(name, [.readOnly, .nonBlocking])
        try recipe.keep(path, file, size: status.size, observer: observer)
    }

    /// Saves the contents of all files in a directory that is about to be removed.
    func keepTree(_ path: RawPath, _ directory: Directory) throws(SyscallError) {
        if recipe == nil { return }
        try TreeFiles(below: directory).visit { (way, parent, name, status) throws(SyscallError) in
            try observer.requireGoOnCalls()
            try keep(path.appending(way.path(of: name)), status, name, of: parent)
        }
    }

    /// Records what files of the layer hold that no member of the archive names, once all are unpacked.
    ///
    /// More than those may be recorded, which does no harm.
    func record(in layer: Directory) throws(ArchiveError) {
        guard let recipe, mayHaveLinked || mayHaveOthers else { return }
        var buffer = [UInt8](repeating: 0, count: TarLimits.bufferBytes)
        // One name of each file is enough.
        var known: Set<UInt64> = []
        var failure: ArchiveError?
        do throws(SyscallError) {
            try TreeFiles(below: layer).visit {
                (way, directory, name, status) throws(SyscallError) in
                guard status.type == .regular, status.size > 0,
                    status.links > 1 || mayHaveOthers,
                    status.links == 1 || known.insert(status.inode).inserted
                else { return }
                let file = try directory.open(name, [.readOnly, .nonBlocking])
                let path = way.path(of: name)
                do throws(ArchiveError) {
                    let digest = try Digest(
                        contentOf: file, path, buffer: &buffer, observer: observer)
                    try recipe.append(unnamed: path, size: status.size, digest)
                } catch {
                    failure = error
                    throw SyscallError(call: "record", errno: .canceled)
                }
            }
        } catch {
            throw failure
                ?? ArchiveError(.system, "could not read the layer's files", cause: error)
        }
    }
}
