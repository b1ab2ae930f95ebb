// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc
import GraphArchive
import GraphCore
import GraphSystem
import SystemPackage

/// Makes the tree of a new layer, as a copy of another's or empty.
///
/// Kept: content and holes, names of one file, owners, modes, attributes, times, special files. cp(1) keeps
/// them too, but no path of more than 4,096 bytes: here a name at a time is opened, and few
/// directories are open, however deep the tree is.
final class TreeCopy {
    private typealias Name = [CChar]

    /// A directory that is being copied.
    private struct Step {
        let status: stat
        var directories: [Name] = []
    }

    private struct Identity: Hashable {
        let device: UInt
        let inode: UInt
    }

    private let place: FilePath
    private let sharesBlocks: Bool
    private let observer: WorkObserver
    private var copiedBytes: UInt64 = 0
    /// The layer's directory.
    private var folder: CInt = -1
    /// The directories that are open, of the original and of the copy.
    private var (source, copy): (CInt, CInt) = (-1, -1)
    /// Where each file with several names has one more until all are made, and how many are to come.
    private var linked: CInt = -1
    private var missingNames: [Identity: UInt] = [:]
    /// Room for the longest list of keys and the longest value that Linux has.
    private var (keys, value) = (
        Name(repeating: 0, count: 1 << 16), Name(repeating: 0, count: 1 << 16)
    )

    /// Prepares to make `root` in a layer's directory.
    init(to place: FilePath, sharesBlocks: Bool, observer: WorkObserver) {
        (self.place, self.sharesBlocks, self.observer) = (place, sharesBlocks, observer)
    }

    deinit {
        for descriptor in [folder, source, copy, linked] where descriptor >= 0 { close(descriptor) }
    }

    /// Makes the tree: that in the directory of another layer, or an empty one.
    func fill(copying parent: FilePath?) throws(DriverError) {
        folder = try open(place)
        copy = try makeDirectory("root")
        guard let parent else {
            try check("fchown", fchown(copy, 0, 0))
            try check("fchmod", fchmod(copy, 0o755))
            return
        }
        source = try open(parent.appending("root"))
        try copyTree()
        try removeLinked()
    }

    private func open(_ path: FilePath) throws(DriverError) -> CInt {
        try attempting(action, try Self.open(path, O_RDONLY | O_DIRECTORY))
    }

    /// Makes and opens a directory in the layer's.
    private func makeDirectory(_ name: String) throws(DriverError) -> CInt {
        try check("mkdirat", mkdirat(folder, name, 0o700))
        return try check("openat", openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    }
}

// MARK: - Directories

extension TreeCopy {
    private static let itself: Name = [CChar(UInt8(ascii: ".")), 0]
    private static let above: Name = itself.dropLast() + itself

    private func copyTree() throws(DriverError) {
        var steps = [try enter(Self.itself, makes: false)]
        while let last = steps.indices.last {
            if let name = steps[last].directories.popLast() {
                steps.append(try enter(name, makes: true))
            } else {
                // Last, since what is made in a directory changes its time and takes its lists over.
                try dress(Self.itself, as: steps[last].status)
                steps.removeLast()
                if !steps.isEmpty { try move(to: Self.above) }
            }
        }
    }

    /// Opens a directory on both sides and copies what is in it, but for directories.
    private func enter(_ name: Name, makes: Bool) throws(DriverError) -> Step {
        if makes { try check("mkdirat", mkdirat(copy, name, 0o700)) }
        try move(to: name)
        var status = stat()
        try check("fstat", fstat(source, &status))
        var step = Step(status: status)
        for name in try names() {
            try stopIfAsked()
            try check("fstatat", fstatat(source, name, &status, AT_SYMLINK_NOFOLLOW))
            if status.st_mode & S_IFMT == S_IFDIR {
                step.directories.append(name)
            } else {
                try copyName(name, status)
            }
        }
        return step
    }

    /// Goes on to a directory in or above the ones that are open.
    private func move(to name: Name) throws(DriverError) {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let next = try check("openat", openat(source, name, flags))
        close(source)
        source = next
        let copied = try check("openat", openat(copy, name, flags))
        close(copy)
        copy = copied
    }

    /// What is in the directory of the original.
    private func names() throws(DriverError) -> [Name] {
        let again = try check("openat", openat(source, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        guard let stream = fdopendir(again) else {
            close(again)
            throw failure("fdopendir")
        }
        defer { closedir(stream) }
        var names: [Name] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let start = UnsafeRawPointer(entry) + (MemoryLayout<dirent>.offset(of: \.d_name) ?? 0)
            let text = start.assumingMemoryBound(to: CChar.self)
            let name = Name(UnsafeBufferPointer(start: text, count: strlen(text) + 1))
            if name != Self.itself && name != Self.above { names.append(name) }
        }
        if errno != 0 { throw failure("readdir") }
        return names
    }
}

// MARK: - Files and all else that has no names in it

extension TreeCopy {
    /// Makes a name of the original in the copy: a file, or one more name of a file that is there.
    private func copyName(_ name: Name, _ status: stat) throws(DriverError) {
        guard status.st_nlink > 1 else {
            try make(name, status)
            try dress(name, as: status)
            return
        }
        let identity = Identity(device: UInt(status.st_dev), inode: UInt(status.st_ino))
        let key = "\(identity.device)-\(identity.inode)"
        if let missing = missingNames[identity] {
            missingNames[identity] = missing > 1 ? missing - 1 : nil
            if missing > 1 {
                try check("linkat", linkat(linked, key, copy, name, 0))
            } else {
                // Never a name more than the original has: filesystems have a limit.
                try check("renameat", renameat(linked, key, copy, name))
            }
            return
        }
        try make(name, status)
        try dress(name, as: status)
        if linked < 0 { linked = try makeDirectory("linked") }
        try check("linkat", linkat(copy, name, linked, key, 0))
        missingNames[identity] = UInt(status.st_nlink) - 1
    }

    /// Removes the directory of further names, with those of files that are linked from elsewhere too.
    private func removeLinked() throws(DriverError) {
        guard linked >= 0 else { return }
        for identity in missingNames.keys {
            let key = "\(identity.device)-\(identity.inode)"
            try check("unlinkat", unlinkat(linked, key, 0))
        }
        try check("unlinkat", unlinkat(folder, "linked", AT_REMOVEDIR))
    }

    private func make(_ name: Name, _ status: stat) throws(DriverError) {
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            try copyFile(name, size: status.st_size)
        case S_IFLNK:
            var target = Name(repeating: 0, count: Int(PATH_MAX) + 1)
            try check("readlinkat", readlinkat(source, name, &target, target.count - 1))
            try check("symlinkat", symlinkat(target, copy, name))
        default:
            try check(
                "mknodat", mknodat(copy, name, status.st_mode & S_IFMT | 0o600, status.st_rdev))
        }
    }

    private func copyFile(_ name: Name, size: off_t) throws(DriverError) {
        let from = try check("openat", openat(source, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC))
        defer { close(from) }
        let to = try check(
            "openat", openat(copy, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600))
        defer { close(to) }
        // Files whose settings on btrfs differ share no blocks; all the same they can be copied.
        if sharesBlocks, ioctl(to, Self.clone, from) == 0 { return }
        try check("ftruncate", ftruncate(to, size))
        var end: off_t = 0
        while end < size {
            let start = lseek(from, end, Self.data)
            if start < 0 && errno == ENXIO { break }
            try check("lseek(SEEK_DATA)", start)
            end = try check("lseek(SEEK_HOLE)", lseek(from, start, Self.hole))
            try copyBytes(start..<end, from: from, to: to)
        }
    }

    private func copyBytes(
        _ range: Range<off_t>, from: CInt, to: CInt
    ) throws(DriverError) {
        try check("lseek", lseek(to, range.lowerBound, SEEK_SET))
        var offset = range.lowerBound
        while offset < range.upperBound {
            let count = min(Int(range.upperBound - offset), 1 << 23)
            let copied = try check("sendfile", sendfile(to, from, &offset, count))
            if copied == 0 { break }
            copiedBytes += UInt64(copied)
            try stopIfAsked()
        }
    }

    /// Gives a name of the copy what the original has beside its content.
    ///
    /// The owner first, since a change of it takes set-id bits and capabilities away; the times last.
    private func dress(_ name: Name, as status: stat) throws(DriverError) {
        let flag = AT_SYMLINK_NOFOLLOW
        try check("fchownat", fchownat(copy, name, status.st_uid, status.st_gid, flag))
        try copyAttributes(name)
        if status.st_mode & S_IFMT != S_IFLNK {
            try check("fchmodat", fchmodat(copy, name, status.st_mode & 0o7777, 0))
        }
        let times = [status.st_atim, status.st_mtim]
        try check("utimensat", utimensat(copy, name, times, flag))
    }

    private func copyAttributes(_ name: Name) throws(DriverError) {
        let (original, path) = (Self.path(source, name), Self.path(copy, name))
        let length = ExtendedAttributes.list(original, &keys, keys.count)
        if length < 0 && errno == EOPNOTSUPP { return }
        for key in keys.prefix(try check("llistxattr", length)).split(separator: 0)
        where !Self.hosts.contains(where: { key.starts(with: $0) }) {
            let key = Name(key) + [0]
            let size = ExtendedAttributes.get(original, key, &value, value.count)
            try check("lgetxattr", size)
            try check("lsetxattr", ExtendedAttributes.set(path, key, value, size, 0))
        }
    }

    /// What the keys of attributes begin with that are the host's: docs/formats/archives.md.
    private static let hosts = [
        "security.selinux", "security.evm", "system.nfs4_acl", "trusted.SGI_ACL_",
        "trusted.graph-stage.", "user.graph-stage.",
    ].map { $0.utf8.map { CChar($0) } }
}

// MARK: - Calls

extension TreeCopy {
    /// `FICLONE`, `SEEK_DATA` and `SEEK_HOLE`, which Glibc does not show.
    private static let (clone, data, hole): (UInt, CInt, CInt) = (0x4004_9409, 3, 4)

    /// A path for calls that take no directory, which is as short however deep the name is.
    private static func path(_ directory: CInt, _ name: Name) -> Name {
        "/proc/self/fd/\(directory)/".utf8.map { CChar($0) } + name
    }

    private func stopIfAsked() throws(DriverError) {
        do throws(ArchiveError) {
            try observer.report(WorkProgress(phase: "copying", completedBytes: copiedBytes))
        } catch {
            throw DriverError(action, error)
        }
    }

    @discardableResult
    private func check<Value: SignedInteger>(
        _ call: String, _ result: Value
    ) throws(DriverError) -> Value {
        if result < 0 { throw failure(call) }
        return result
    }

    private var action: String { "make the tree of layer \(place.lastComponent?.string ?? "")" }

    /// Says what failed, and of a full filesystem whether inodes ran out.
    private func failure(_ call: String) -> DriverError {
        let cause = SyscallError(call: call, errno: Errno(rawValue: errno))
        let error = DriverError(action, cause)
        var status = statvfs()
        guard error.code == .noSpace, fstatvfs(folder, &status) == 0, status.f_favail == 0,
            status.f_files > 0
        else { return error }
        return DriverError(.noSpace, error.message, cause: cause, resource: .inodes)
    }

    /// Opens a file, which is made where it is missing and may be.
    private static func open(_ path: FilePath, _ flags: CInt) throws(SyscallError) -> CInt {
        let file = path.withPlatformString { Glibc.open($0, flags | O_CLOEXEC, 0o600) }
        if file < 0 { throw SyscallError(call: "open", errno: Errno(rawValue: errno)) }
        return file
    }

    /// Makes an empty file.
    static func makeFile(_ path: FilePath) throws(SyscallError) {
        close(try open(path, O_WRONLY | O_CREAT))
    }

    /// Makes a file that shares the blocks of another.
    static func tryReflink(from: FilePath, to: FilePath) throws(SyscallError) {
        let original = try open(from, O_RDONLY)
        defer { close(original) }
        let copy = try open(to, O_WRONLY | O_CREAT)
        defer { close(copy) }
        if ioctl(copy, clone, original) != 0 {
            throw SyscallError(call: "ioctl(FICLONE)", errno: Errno(rawValue: errno))
        }
    }
}

/// The calls of xattr(7) on a path of which the last name is not followed, which Glibc does not show.
private enum ExtendedAttributes {
    typealias Text = UnsafePointer<CChar>
    typealias Buffer = UnsafeMutablePointer<CChar>

    static let list: @convention(c) (Text, Buffer, Int) -> Int = find("llistxattr")
    static let get: @convention(c) (Text, Text, Buffer, Int) -> Int = find("lgetxattr")
    static let set: @convention(c) (Text, Text, Text, Int, CInt) -> CInt = find("lsetxattr")

    private static func find<Function>(_ name: String) -> Function {
        guard let address = dlsym(nil, name) else { fatalError("the C library lacks \(name)") }
        return unsafeBitCast(address, to: Function.self)
    }
}
