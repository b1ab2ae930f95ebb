// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphSystem

/// Asks the kernel where a layer's tree may differ from another's: which paths a send stream touches,
/// and which other names the files have that it names by one.
///
/// ## Why no difference is missed
/// A send stream turns the old subvolume into the new one, a command at a time. Take a path that the
/// two trees have in common or not, and follow what it stands for while the commands are carried out.
/// If that changes, a command changes it:
///
/// - one that names the path. Each path in a command is taken.
/// - a `rename` of it or of a directory that it lies in, away from it or to it. Both names of a
///   rename are taken with all that lies below them. Whatever a command names while a directory on
///   the way has another name than in the end, or a temporary one such as `o257-7-0`, lies below a
///   name of such a rename in either tree.
/// - one that changes a file by another of its names. Follow that name back: until a name that the
///   file had in the old tree each step is a `link`, which tells the name before, or a `rename` as
///   above. So one of the file's old names is taken, and with it all names it has in either tree.
/// - one that changes what is in a directory, and so its time. A comparison looks at the directories
///   on the way to every path that is taken.
///
/// The same holds for groups of names, of which a diff tells all or none: where a group is another
/// than before, one of its names is new, or another file's, and so named; then all are taken.
///
/// A stream does not tell of nested subvolumes, nor of the empty directories that a snapshot has in
/// their place: where there are any, nothing is asked. And it takes inodes of the same number and
/// generation for the same, which is certain only between a snapshot and what it was made of: so
/// nothing is asked about others.
struct SendDifferences {
    private(set) var names = CandidateNames()
    private var failure: Refusal?

    /// Asks; both subvolumes are read-only.
    init(of subvolume: Subvolume, from base: UInt64) throws(Refusal) {
        var reader = SendStreamReader()
        do throws(SyscallError) {
            try subvolume.send(from: base) { bytes in
                do throws(ArchiveError) {
                    try reader.take(bytes) { (command) in take(command) }
                } catch {
                    failure = Refusal(error.description)
                }
                return failure == nil
            }
        } catch {
            throw Refusal(error)
        }
        if let failure { throw failure }
        do throws(ArchiveError) {
            try reader.finish()
        } catch {
            throw Refusal(error.description)
        }
    }

    private mutating func take(_ command: SendCommand) {
        switch command.kind {
        case .subvolume, .snapshot, .end: return
        case .rename:
            for path in [command.path, command.otherPath] { insert(path, withTree: true) }
        default:
            for path in [command.path, command.otherPath] { insert(path, withTree: false) }
        }
    }

    private mutating func insert(_ path: RawPath?, withTree: Bool) {
        guard let path, let inTree = BtrfsLayout.pathInTree(path) else { return }
        do throws(Refusal) {
            try names.insert(inTree, withTree: withTree)
        } catch {
            failure = error
        }
    }
}
