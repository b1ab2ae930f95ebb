// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem
package import SystemPackage

/// Who may have put a file in its place: what another user owns or can write to is never used.
package enum Trust {
    /// Refuses a file or directory of the store that is not the caller's or root's alone.
    ///
    /// It also has to be of a type; nil for anything but a symbolic link.
    ///
    /// - Throws: ``DriverError/Code/untrusted``, with the command that mends it.
    package static func require(
        _ status: FileStatus, _ type: GraphSystem.FileType?, at path: @autoclosure () -> FilePath
    ) throws(DriverError) {
        guard status.type != .symbolicLink, type == nil || status.type == type else {
            let wanted = type.map { " and not \($0.described)" } ?? ""
            throw DriverError(
                .untrusted,
                "\(path()) is \(status.type.described)\(wanted): remove it, or put back what was "
                    + "there")
        }
        guard status.uid == 0 || status.uid == CurrentProcess.effectiveUser else {
            throw DriverError(
                .untrusted,
                "\(path()) belongs to user \(status.uid), who could change it: use it as that user, "
                    + "or if its content can be trusted, chown \(caller): \(quoted(path()))")
        }
        guard status.permissions & 0o022 == 0 else {
            throw DriverError(
                .untrusted,
                "others may write to \(path()) (mode \(octal(status.permissions))): if its content "
                    + "can be trusted, chmod go-w \(quoted(path()))")
        }
    }

    /// Refuses names in a directory that are there and are not the caller's or root's alone.
    package static func require(
        _ names: [(name: RawPath, type: GraphSystem.FileType?)], in directory: Directory,
        _ path: FilePath
    ) throws(DriverError) {
        for (name, type) in names {
            let status = try attempting(
                "look at \(path)", try directory.statusIfPresent(of: name))
            if let status { try require(status, type, at: path.appending(name.description)) }
        }
    }

    /// Refuses a directory in whose place somebody else could put another one, as sshd(8) does with
    /// `StrictModes`: each directory above belongs to the caller or root, and is writable by nobody
    /// else.
    ///
    /// Sticky directories such as `/tmp` keep what is in them to its owner. A group with the number of
    /// its user is that user's own, as distributions with a umask of 002 make them.
    static func requireAncestor(
        _ status: FileStatus, of path: FilePath, levels: Int
    ) throws(DriverError) {
        var above: FilePath { FilePath(root: "/", path.components.dropLast(levels)) }
        let isOwned =
            status.uid == 0 || status.uid == CurrentProcess.effectiveUser
            || status.uid == CurrentProcess.unmappedUser && CurrentProcess.lacksUsers
        guard isOwned else {
            throw DriverError(
                .untrusted,
                "\(above) belongs to user \(status.uid), who could put something else in the place of "
                    + "\(path): choose another place, or chown \(caller): \(quoted(above))")
        }
        let isSticky = status.permissions & 0o1000 != 0
        let groupMatters = status.gid != status.uid
        let writable = status.permissions & (groupMatters ? 0o022 : 0o002)
        guard writable == 0 || isSticky else {
            throw DriverError(
                .untrusted,
                "others may write to \(above) (mode \(octal(status.permissions))), and put something "
                    + "else in the place of \(path): choose another place, or "
                    + "chmod go-w \(quoted(above))")
        }
    }

    /// The caller, as chown(1) takes it.
    private static var caller: String {
        let user = CurrentProcess.effectiveUser
        return user == 0 ? "root" : "\(user)"
    }

    private static func octal(_ mode: UInt16) -> String { "0" + String(mode, radix: 8) }

    /// A path as a shell takes it for one word.
    private static func quoted(_ path: FilePath) -> String {
        let plain = path.string.utf8.allSatisfy { byte in
            (97...122).contains(byte) || (65...90).contains(byte) || (45...57).contains(byte)
                || byte == UInt8(ascii: "_") || byte > 0x7F
        }
        if plain { return path.string }
        let parts = path.string.split(separator: "'", omittingEmptySubsequences: false)
        return "'" + parts.joined(separator: "'\\''") + "'"
    }
}

extension GraphSystem.FileType {
    /// The type in a sentence.
    fileprivate var described: String {
        switch self {
        case .regular: "a file"
        case .directory: "a directory"
        case .symbolicLink: "a symbolic link"
        case .characterDevice, .blockDevice: "a device"
        case .fifo: "a FIFO"
        case .socket: "a socket"
        }
    }
}
