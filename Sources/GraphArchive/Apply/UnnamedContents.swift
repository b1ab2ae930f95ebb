// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

import struct SystemPackage.Errno

/// Whether a layer being unpacked has files whose contents are in no member of its archive, so that the
/// recipe must say what they hold: nothing else would vouch for them.
///
/// Few archives have any: they must have hard links to files of the parents, or replace a file of their own
/// that has another name.
final class UnnamedContents {
    /// Copies of parents' files, which have another name, unless that was replaced.
    var mayHaveLinked = false
    /// What was left of names that were replaced.
    var mayHaveOthers = false
}

extension LayerUnpacker {
    /// Records what files hold that no member of the archive names, once all are unpacked.
    ///
    /// More than those may be recorded, which does no harm.
    func recordUnnamed(_ observer: WorkObserver) throws(ArchiveError) {
        guard let recipe, unnamed.mayHaveLinked || unnamed.mayHaveOthers else { return }
        var buffer = [UInt8](repeating: 0, count: TarLimits.bufferBytes)
        // One name of each file is enough.
        var known: Set<UInt64> = []
        var failure: ArchiveError?
        do throws(SyscallError) {
            try TreeFiles(below: target.directory).visit {
                (way, directory, name, status) throws(SyscallError) in
                guard status.type == .regular, status.size > 0,
                    status.links > 1 || unnamed.mayHaveOthers,
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
