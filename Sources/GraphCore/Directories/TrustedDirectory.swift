// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem
package import SystemPackage

/// A directory by its one name, which nobody but the caller and root can lead elsewhere.
///
/// Symbolic links on the way are followed once, here, and what they lead to is checked. So all that is
/// done below this name afterwards is done in the directory that was looked at.
package struct TrustedDirectory: Sendable {
    /// Absolute, without symbolic links; UTF-8.
    package let path: FilePath
    /// The directory, open for looking at its names; nil when it does not exist.
    package let opened: Directory?

    /// Resolves a path and checks what it leads to; costs one `statx(2)` a directory above, and four
    /// calls beside it.
    ///
    /// Of one that does not exist the nearest directory above it is checked: in that it would be made.
    /// The flags say how the directory is opened.
    ///
    /// - Throws: ``DriverError/Code/untrusted`` when others own it, may write to it, or may put
    ///   another one in its place; ``DriverError/Code/invalidArgument`` when its name is not UTF-8.
    package init(
        _ path: FilePath, _ flags: OpenFlags = [.readOnly, .directory]
    ) throws(DriverError) {
        guard String(validating: path) != nil, !path.isEmpty else {
            throw DriverError(
                .invalidArgument,
                path.isEmpty
                    ? "an empty path names no directory" : "the path \(path) is not UTF-8")
        }
        var (present, missing) = (path, [FilePath.Component]())
        while true {
            let place: FilePath = present.isEmpty ? "." : present
            let opening = missing.isEmpty ? flags : [.path, .directory]
            if let directory = try Self.open(place, opening, for: path) {
                let name = try Self.check(directory, place, isWanted: missing.isEmpty)
                self.path = missing.reversed().reduce(name) { $0.appending($1) }
                opened = missing.isEmpty ? directory : nil
                return
            }
            guard let name = present.lastComponent else {
                throw DriverError(.system, "could not open any directory above \(path)")
            }
            if name.kind != .regular {
                throw DriverError(
                    .invalidArgument, "\(path) leads through a directory that does not exist")
            }
            missing.append(name)
            present.removeLastComponent()
        }
    }

    /// Nil when there is none.
    private static func open(
        _ place: FilePath, _ flags: OpenFlags, for path: FilePath
    ) throws(DriverError) -> Directory? {
        do throws(SyscallError) {
            return Directory(owning: try OwnedDescriptor.open(place, flags))
        } catch  where error.errno == .noSuchFileOrDirectory {
            return nil
        } catch {
            throw DriverError("open \(path)", error)
        }
    }

    /// Checks the directory itself and all above it, and finds its name.
    ///
    /// The directories above are looked at from the open one up, wherever it is reached from.
    private static func check(
        _ directory: Directory, _ place: FilePath, isWanted: Bool
    ) throws(DriverError) -> FilePath {
        let (own, name) = try attempting(
            "look at \(place)", (try directory.status(), try directory.descriptor.name()))
        guard let text = String(validating: name.bytes, as: UTF8.self) else {
            throw DriverError(
                .invalidArgument, "\(place) leads to \(name), a path that is not UTF-8")
        }
        let path = FilePath(text)
        if isWanted {
            try Trust.require(own, .directory, at: path)
        } else {
            try Trust.requireAncestor(own, of: path, levels: 0)
        }
        var up: RawPath = ""
        for level in 0..<path.components.count {
            up = up.appending("..")
            let above = try attempting("look above \(path)", try directory.status(of: up))
            try Trust.requireAncestor(above, of: path, levels: level + 1)
        }
        // A way through another mount namespace has no name here.
        guard try attempting("look at \(path)", try FileStatus(of: path)).identity == own.identity
        else {
            throw DriverError(
                .untrusted, "\(place) is not where the kernel says that it is, at \(path)")
        }
        return path
    }

    /// Makes a directory that does not exist, and those above it: the last for its owner alone, since
    /// layers may hold set-user-id programs that nobody else should reach.
    ///
    /// Where others may make names, as in `/tmp`, one of them may have been quicker: so what is there
    /// then is checked.
    package func make() throws(DriverError) -> TrustedDirectory {
        try attempting("make the directory \(path)", try Self.make(path, permissions: 0o700))
        let made = try TrustedDirectory(path)
        if made.path == path && made.opened != nil { return made }
        throw DriverError(
            .untrusted, "\(path) leads to \(made.path) by now, and did not exist a moment ago")
    }

    private static func make(_ path: FilePath, permissions: UInt16) throws(SyscallError) {
        guard let name = path.lastComponent else { return }
        let parent = path.removingLastComponent()
        do throws(SyscallError) {
            try Directory(opening: parent).makeDirectory(RawPath(name), permissions: permissions)
        } catch  where error.errno == .noSuchFileOrDirectory && !parent.components.isEmpty {
            try make(parent, permissions: 0o755)
            try make(path, permissions: permissions)
        } catch  where error.errno == .fileExists {
            return
        }
    }
}
