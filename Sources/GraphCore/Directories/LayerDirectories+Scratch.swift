// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem
import SystemPackage

extension LayerDirectories {
    /// Lends an empty directory beside the driver's directory, for what is needed for a moment.
    ///
    /// What the body leaves in it is destroyed, here or, where the process dies, by
    /// ``clearAbandonedScratch()``. A lock in it tells that somebody works there.
    package func withScratch<Value>(
        _ body: (Directory) throws(DriverError) -> Value
    ) throws(DriverError) -> Value {
        _ = try writableDirectory()
        let root = try attempting("open the store's root", try Directory(opening: root))
        while true {
            let token = String(UInt64.random(in: .min ... .max), radix: 16)
            let name = RawPath(diffPrefix + token)
            try attempting("make \(name)", try root.makeDirectory(name, permissions: 0o700))
            let lock = try attempting("lock \(name)", try lock(on: name))
            // Who clears what others left was between the two steps.
            guard let lock else { continue }
            let result: Result<Value, DriverError> = Result { () throws(DriverError) in
                try body(try attempting("open \(name)", try root.openDirectory(name)))
            }
            // What cannot be destroyed now is in the inventory, and no reason to lose the result.
            try? empty(name, in: root)
            _ = try? root.removeTree(name)
            _ = consume lock
            return try result.get()
        }
    }

    private var diffPrefix: String { ".\(driver)-diff-" }
    private var probePrefix: String { ".\(driver)-probe-" }

    private static let owner = "owner"

    private func lockPath(of name: RawPath) -> FilePath {
        root.appending(name.description).appending(Self.owner)
    }

    /// Takes the lock that says that somebody works in a directory; nil when somebody does, or has
    /// removed it.
    private func lock(on name: RawPath) throws(SyscallError) -> RangeLock? {
        do throws(SyscallError) {
            return try RangeLock(trying: 0, in: lockPath(of: name))
        } catch  where error.errno == .noSuchFileOrDirectory {
            return nil
        }
    }

    /// Destroys what killed probes and diffs left.
    package func clearAbandonedScratch() throws(DriverError) {
        _ = try writableDirectory()
        let root = try attempting("open the store's root", try Directory(opening: root))
        for name in try abandonedScratch() {
            let lock = try attempting("lock \(name)", try lock(on: name))
            guard let lock else { continue }
            try attempting("free \(name)", try empty(name, in: root))
            _ = try attempting("free \(name)", try root.removeTree(name))
            _ = consume lock
        }
    }

    /// Where probes and diffs were killed before they could clean up.
    ///
    /// A diff holds a lock. Probes, and a diff before it has one, take a moment: what began within the
    /// last minute is left alone.
    func abandonedScratch() throws(DriverError) -> [RawPath] {
        let root = try attempting("open the store's root", try Directory(opening: root))
        return try attempting(
            "list the store's root",
            try { () throws(SyscallError) in
                var names: [RawPath] = []
                for entry in try root.listing() {
                    let text = entry.name.description
                    let isDiff = text.hasPrefix(diffPrefix)
                    if !isDiff && !text.hasPrefix(probePrefix) { continue }
                    if try isAbandoned(entry.name, in: root, hasLock: isDiff) {
                        names.append(entry.name)
                    }
                }
                return names
            }())
    }

    private func isAbandoned(
        _ name: RawPath, in root: Directory, hasLock: Bool
    ) throws(SyscallError) -> Bool {
        let owner = name.appending(RawPath(Self.owner))
        if hasLock, try root.statusIfPresent(of: owner) != nil {
            return try !RangeLock.isHeld(0, in: lockPath(of: name))
        }
        guard let status = try root.statusIfPresent(of: name) else { return false }
        return status.modified.seconds < Timestamp.now.seconds - 60
    }
}
