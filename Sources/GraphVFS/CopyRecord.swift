// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import Synchronization

/// The record of the files that a layer has from its parent, while they are copied by several
/// threads.
///
/// A layer is as good without it, so a failure ends the record and nothing else.
final class CopyRecord: CopyNotes {
    private let directory: Directory
    private let name: RawPath
    private let writer: Mutex<CopiedFilesWriter?>

    /// Begins a record in a layer's directory.
    init(in directory: Directory, _ name: RawPath) {
        (self.directory, self.name) = (directory, name)
        do throws(SyscallError) {
            let file = try directory.open(
                name, [.writeOnly, .create, .exclusive], permissions: 0o600)
            writer = Mutex(try CopiedFilesWriter(file))
        } catch {
            writer = Mutex(nil)
        }
    }

    /// Adds a copy that is complete.
    func add(_ copy: FileStatus, of original: FileStatus) {
        writer.withLock { writer in
            guard (try? writer?.append(CopiedFiles.Entry(copy, of: original))) == nil else {
                return
            }
            writer = nil
        }
    }

    /// Ends the record; what is not complete is removed.
    func finish() {
        let isComplete = writer.withLock { writer in
            guard let last = writer.take() else { return false }
            return (try? last.finish()) != nil
        }
        if !isComplete { try? directory.removeFile(name) }
    }
}
