// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import Synchronization
import SystemPackage

/// The directories below RUN-ROOT that the store makes to mount layers at, named by their numbers.
final class MountPoints: Sendable {
    private let paths: StorePaths
    /// Where they are, by its one name.
    private let known = Mutex<FilePath?>(nil)

    init(_ paths: StorePaths) { self.paths = paths }

    /// Makes the one of a layer.
    func make(for number: LayerNumber) throws(DriverError) -> FilePath {
        let name = RawPath(String(number.rawValue))
        var parent = try directory()
        do throws(SyscallError) {
            try Directory(opening: parent).makeDirectory(name, permissions: 0o755)
        } catch  where error.errno == .fileExists {
            // Left by a process that died.
        } catch  where error.errno == .noSuchFileOrDirectory {
            // Somebody cleared RUN-ROOT.
            known.withLock { $0 = nil }
            parent = try directory()
            _ = try attempting(
                "make a mount point",
                try Directory(opening: parent).makeOrOpenDirectory(name, permissions: 0o755))
        } catch  where error.errno == .noSpace {
            throw DriverError(
                noSpace: "could not make a mount point", at: paths.mountPoints, cause: error)
        } catch {
            throw DriverError("make a mount point", error)
        }
        return parent.appending(String(number.rawValue))
    }

    /// The directory of the mount points that the store makes, by its one name.
    private func directory() throws(DriverError) -> FilePath {
        try self.known.withLock { known throws(DriverError) in
            if let known { return known }
            _ = try attempting(
                "make the directory \(paths.mountPoints)",
                try Directory(opening: paths.runRoot)
                    .makeOrOpenDirectory("mnt", permissions: 0o700))
            let path = try Self.canonical(paths.mountPoints)
            known = path
            return path
        }
    }

    /// Takes the one of a layer away, where nothing is mounted there.
    func remove(_ number: LayerNumber) {
        // It stays where something else is mounted there: then it is not ours any more.
        try? Directory(opening: paths.mountPoints)
            .removeDirectory(RawPath(String(number.rawValue)))
    }

    /// A directory's one name: absolute, without symbolic links.
    static func canonical(_ target: FilePath) throws(DriverError) -> FilePath {
        let name = try attempting(
            "open the mount point \(target)",
            try OwnedDescriptor.open(target, [.path, .directory]).name())
        guard let text = String(validating: name.bytes, as: UTF8.self) else {
            throw DriverError(
                .invalidArgument, "the name of the mount point \(target) is not UTF-8")
        }
        return FilePath(text)
    }
}
