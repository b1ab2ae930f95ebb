// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc
import SystemPackage

/// A file or directory that is being made, beside the place where it is to be: `.NAME.graph-partial`, or
/// `.NAME.N.graph-partial` while others make the same.
///
/// The kernel's lock on it (`flock(2)`) says that its maker lives, and lasts as long as `descriptor`. What a
/// dead process has left is removed by the next that makes NAME.
package struct PartialEntry: ~Copyable, Sendable {
    package let name: RawPath
    package let descriptor: OwnedDescriptor

    /// Makes an empty file to be renamed to `name` in the same directory when it is whole.
    package static func makeFile(
        of name: RawPath, in parent: Directory, permissions: UInt16
    ) throws(SyscallError) -> PartialEntry {
        try PartialNames(of: name, in: parent).take { (partial) throws(SyscallError) in
            try parent.open(partial, [.readWrite, .create, .exclusive], permissions: permissions)
        }
    }

    /// Makes an empty directory to be renamed to `name` in the same directory when it is whole.
    package static func makeDirectory(
        of name: RawPath, in parent: Directory, permissions: UInt16
    ) throws(SyscallError) -> PartialEntry {
        try PartialNames(of: name, in: parent).take { (partial) throws(SyscallError) in
            try parent.makeDirectory(partial, permissions: permissions)
            return try parent.openBeneath(partial, .directory)
        }
    }

    fileprivate init(_ name: RawPath, _ descriptor: consuming OwnedDescriptor) {
        self.name = name
        self.descriptor = descriptor
    }

    /// The file that is being made.
    package consuming func file() -> OwnedDescriptor { descriptor }

    /// The directory that is being made.
    package consuming func directory() -> Directory { Directory(owning: descriptor) }
}

/// The names that what is being made of one name may have meanwhile.
private struct PartialNames {
    private let parent: Directory
    private let start: RawPath
    /// How many may make the same at the same time.
    private static let countMax = 1_000

    init(of name: RawPath, in parent: Directory) {
        self.parent = parent
        // Cut off where the whole would be no name any more.
        start = RawPath(".").joined(RawPath(partOf: name.bytes.prefix(200)))
    }

    private func name(_ number: Int) -> RawPath {
        start.joined(number == 0 ? ".graph-partial" : RawPath(".\(number).graph-partial"))
    }

    /// Makes something under the first name that no living process has.
    func take(
        _ make: (RawPath) throws(SyscallError) -> OwnedDescriptor
    ) throws(SyscallError) -> PartialEntry {
        for number in 0..<Self.countMax {
            let partial = name(number)
            guard try removeAbandoned(partial) else { continue }
            do throws(SyscallError) {
                let made = try make(partial)
                // Somebody may have taken it for abandoned before it was locked.
                guard Self.lock(made) != .taken, try isNamed(partial, made) else { continue }
                try removeAbandoned(from: number + 1)
                return PartialEntry(partial, made)
            } catch  where [.fileExists, .noSuchFileOrDirectory].contains(error.errno) {
                // Somebody else was faster, or has taken it for abandoned; or there is no such directory.
                if try parent.status().links == 0 { throw error }
            }
        }
        throw SyscallError(call: "open(\(start).graph-partial)", errno: .fileExists)
    }

    /// Removes what others left that made the same at the same time.
    private func removeAbandoned(from first: Int) throws(SyscallError) {
        for number in first..<max(first, Self.countMax) {
            if try parent.statusIfPresent(of: name(number)) == nil { return }
            _ = try removeAbandoned(name(number))
        }
    }

    /// Removes what a dead process of this user left under a name; false where something else stays there.
    private func removeAbandoned(_ partial: RawPath) throws(SyscallError) -> Bool {
        guard let there = try parent.statusIfPresent(of: partial) else { return true }
        guard there.type == .regular || there.type == .directory,
            there.uid == CurrentProcess.effectiveUser
        else { return false }
        do throws(SyscallError) {
            let left = try parent.openBeneath(partial, [.readOnly, .nonBlocking])
            guard Self.lock(left) == .locked, try isNamed(partial, left) else { return false }
            if there.type == .directory {
                try parent.removeTree(partial)
            } else {
                try parent.removeFile(partial)
            }
            return true
        } catch  where error.errno == .noSuchFileOrDirectory {
            return true
        }
    }

    /// Whether a name is that of an open file still.
    private func isNamed(
        _ name: RawPath, _ file: borrowing OwnedDescriptor
    ) throws(SyscallError) -> Bool {
        try parent.statusIfPresent(of: name)?.identity == file.status().identity
    }

    private enum LockOutcome { case locked, taken, impossible }

    /// Takes the lock on a whole file, unless another open of it has it; `flock(2)`.
    private static func lock(_ file: borrowing OwnedDescriptor) -> LockOutcome {
        if flock(file.rawValue, LOCK_EX | LOCK_NB) == 0 { return .locked }
        return Errno(rawValue: Glibc.errno) == .wouldBlock ? .taken : .impossible
    }
}
