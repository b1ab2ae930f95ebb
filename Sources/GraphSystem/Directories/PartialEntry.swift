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

    fileprivate init(_ name: RawPath, _ descriptor: consuming OwnedDescriptor) {
        self.name = name
        self.descriptor = descriptor
    }

    /// The file that is being made.
    package consuming func file() -> OwnedDescriptor { descriptor }

    /// The directory that is being made.
    package consuming func directory() -> Directory { Directory(owning: descriptor) }
}

extension Directory {
    /// How many may make the same at the same time.
    private static let partialMax = 1_000

    /// Makes an empty file to be renamed to `name` when it is whole.
    package func makePartialFile(
        of name: RawPath, permissions: UInt16
    ) throws(SyscallError) -> PartialEntry {
        try makePartial(of: name) { (partial) throws(SyscallError) in
            try open(partial, [.readWrite, .create, .exclusive], permissions: permissions)
        }
    }

    /// Makes an empty directory to be renamed to `name` when it is whole.
    package func makePartialDirectory(
        of name: RawPath, permissions: UInt16
    ) throws(SyscallError) -> PartialEntry {
        try makePartial(of: name) { (partial) throws(SyscallError) in
            try makeDirectory(partial, permissions: permissions)
            return try openBeneath(partial, .directory)
        }
    }

    private func makePartial(
        of name: RawPath, _ make: (RawPath) throws(SyscallError) -> OwnedDescriptor
    ) throws(SyscallError) -> PartialEntry {
        // Cut off where the whole would be no name any more.
        let start = RawPath(".").joined(RawPath(partOf: name.bytes.prefix(200)))
        for number in 0..<Self.partialMax {
            let partial = start.joined(
                number == 0 ? ".graph-partial" : RawPath(".\(number).graph-partial"))
            guard try removeAbandoned(partial) else { continue }
            do throws(SyscallError) {
                let made = try make(partial)
                // Somebody may have taken it for abandoned before it was locked.
                guard made.lockIfFree() != .taken, try isNamed(partial, made) else { continue }
                try removeAbandoned(start, from: number + 1)
                return PartialEntry(partial, made)
            } catch  where [.fileExists, .noSuchFileOrDirectory].contains(error.errno) {
                // Somebody else was faster, or has taken it for abandoned; or there is no such directory.
                if try descriptor.status().links == 0 { throw error }
            }
        }
        throw SyscallError(call: "open(\(start).graph-partial)", errno: .fileExists)
    }

    /// Removes what others left that made the same at the same time.
    private func removeAbandoned(_ start: RawPath, from first: Int) throws(SyscallError) {
        for number in first..<max(first, Self.partialMax) {
            let partial = start.joined(RawPath(".\(number).graph-partial"))
            if try statusIfPresent(of: partial) == nil { return }
            _ = try removeAbandoned(partial)
        }
    }

    /// Removes what a dead process of this user left under a name; false where something else stays there.
    private func removeAbandoned(_ partial: RawPath) throws(SyscallError) -> Bool {
        guard let there = try statusIfPresent(of: partial) else { return true }
        guard there.type == .regular || there.type == .directory,
            there.uid == CurrentProcess.effectiveUser
        else { return false }
        do throws(SyscallError) {
            let left = try openBeneath(partial, [.readOnly, .nonBlocking])
            guard left.lockIfFree() == .locked, try isNamed(partial, left) else { return false }
            if there.type == .directory {
                try removeTree(partial)
            } else {
                try removeFile(partial)
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
        try statusIfPresent(of: name)?.identity == file.status().identity
    }
}

extension OwnedDescriptor {
    enum LockOutcome { case locked, taken, impossible }

    /// Takes the lock on the whole file, unless another open of it has it; `flock(2)`.
    func lockIfFree() -> LockOutcome {
        if flock(rawValue, LOCK_EX | LOCK_NB) == 0 { return .locked }
        return Errno(rawValue: Glibc.errno) == .wouldBlock ? .taken : .impossible
    }
}
