// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphSystem
import Synchronization
public import SystemPackage

/// A directory a layer: `ROOT/NAME/NUMBER`, and `ROOT/trash` for those that were removed.
///
/// What drivers share that keep layers in directories.
public final class LayerDirectories: Sendable {
    /// The store's root.
    public let root: FilePath
    /// The driver's name, which is its directory's.
    public let driver: String
    /// The driver's directory; nil for a read-only store without one.
    ///
    /// Held open since before anything was written, because `syncfs(2)` tells a descriptor of the
    /// failures since it was opened.
    let directory: Directory?
    /// Whether the store was opened for reading: everything that writes throws then.
    public let isReadOnly: Bool
    /// Whether names reach the disk only when their directory is synced.
    let syncsNames: Bool
    /// Destroys what is in a directory of the trash and cannot be unlinked.
    let emptying: (@Sendable (Directory) throws(SyscallError) -> Void)?
    let lastSyncFailure = Mutex<SyncFailure?>(nil)
    private let reflink = Mutex<Bool?>(nil)

    static let trash: RawPath = "trash"

    /// Opens the driver's directory, and makes it when it is missing and may be made.
    ///
    /// Costs an open of the root and of the directory and a `fstatfs(2)`. `beforeMaking` is called
    /// before the directory is made, and its failure leaves none. `emptying` is called with each directory
    /// of the trash before what is in it is unlinked.
    public init(
        root: FilePath, driver: String, readOnly: Bool,
        emptying: (@Sendable (Directory) throws(SyscallError) -> Void)? = nil,
        beforeMaking: () throws(DriverError) -> Void
    ) throws(DriverError) {
        (self.driver, isReadOnly, self.emptying) = (driver, readOnly, emptying)
        let opened = try attempting("open the store's root", try Directory(opening: root))
        if root.isAbsolute {
            self.root = root
        } else {
            // Mounts are attached by whoever asks, wherever that is.
            let path = try attempting(
                "read the path of \(root)",
                try Directory(opening: "/").readLink(RawPath(opened.descriptor.procPath)))
            self.root = FilePath(path.description)
        }
        directory = try Self.openedDirectory(
            driver, in: opened, readOnly: readOnly, beforeMaking: beforeMaking)
        let filesystem = try attempting(
            "look at the filesystem of \(root)", try opened.descriptor.filesystem())
        syncsNames = !filesystem.ordersNamesWithAnySync
    }

    private static func openedDirectory(
        _ driver: String, in root: Directory, readOnly: Bool,
        beforeMaking: () throws(DriverError) -> Void
    ) throws(DriverError) -> Directory? {
        do throws(SyscallError) {
            return try root.openDirectory(RawPath(driver))
        } catch let error where error.errno == .noSuchFileOrDirectory {
            if readOnly { return nil }
            try beforeMaking()
            return try attempting(
                "make the directory \(driver)", try makeLayerDirectory(RawPath(driver), in: root))
        } catch {
            throw DriverError("open the directory \(driver)", error)
        }
    }

    /// Makes a directory that only its owner enters, so that nobody runs an old set-user-id program
    /// from a layer, and that passes no group or access list on to what is made in it.
    private static func makeLayerDirectory(
        _ name: RawPath, in root: Directory
    ) throws(SyscallError) -> Directory {
        let directory = try root.makeOrOpenDirectory(name, permissions: 0o700)
        try directory.attributes(of: ".").removeInheritedAccessLists()
        try directory.descriptor.setPermissions(0o700)
        try root.sync()
        return directory
    }

    /// The path of a layer's directory.
    public func path(of layer: LayerNumber) -> FilePath {
        root.appending(driver).appending(layer.description)
    }

    /// The driver's directory, for looking; nil when there is none.
    package var openedDirectory: Directory? { directory }

    /// Opens a layer's directory.
    ///
    /// - Throws: ``DriverError/Code/layerNotFound`` when there is none.
    public func open(_ layer: LayerNumber) throws(DriverError) -> Directory {
        try open(layer, "")
    }

    /// Opens a directory in a layer's directory.
    ///
    /// - Throws: ``DriverError/Code/layerNotFound`` when there is none.
    package func open(
        _ layer: LayerNumber, _ name: RawPath
    ) throws(DriverError) -> Directory {
        let path = name.isEmpty ? layer.name : layer.name.appending(name)
        do throws(SyscallError) {
            if let directory { return try directory.openDirectory(path) }
        } catch let error where error.errno == .noSuchFileOrDirectory {
            throw notFound(layer, error)
        } catch {
            throw DriverError("open layer \(layer)", error)
        }
        throw notFound(layer, nil)
    }

    /// Makes sure that something of a layer is there, without opening it.
    ///
    /// - Throws: ``DriverError/Code/layerNotFound`` when it is not.
    package func require(_ layer: LayerNumber, _ name: RawPath) throws(DriverError) {
        if try status(of: layer, name) == nil { throw notFound(layer, nil) }
    }

    /// What is known about something in a layer's directory; nil when it is not there.
    package func status(
        of layer: LayerNumber, _ name: RawPath
    ) throws(DriverError) -> FileStatus? {
        try attempting(
            "look at layer \(layer)",
            try directory?.statusIfPresent(of: layer.name.appending(name)))
    }

    private func notFound(_ layer: LayerNumber, _ cause: SyscallError?) -> DriverError {
        DriverError(
            .layerNotFound, "layer \(layer) is not in \(root.appending(driver))", cause: cause)
    }

    /// The driver's directory, for changing it.
    ///
    /// - Throws: ``DriverError/Code/storeReadOnly`` when the store was opened for reading.
    package func writableDirectory() throws(DriverError) -> Directory {
        if let directory, !isReadOnly { return directory }
        throw DriverError(.storeReadOnly, "the store at \(root) was opened for reading")
    }

    /// Makes a layer's directory and what belongs into it.
    ///
    /// `fill` is given the directory, which is at ``path(of:)`` already and has no inherited access lists.
    ///
    /// The directory is marked as unfinished. What a power cut left unfinished under the number goes to
    /// the trash first; so does the directory when `fill` fails.
    ///
    /// - Throws: ``DriverError/Code/layerExists`` for a finished layer of this number.
    public func create(
        _ layer: LayerNumber, fill: (Directory) throws(DriverError) -> Void
    ) throws(DriverError) {
        let directory = try writableDirectory()
        do throws(SyscallError) {
            try directory.makeDirectory(layer.name, permissions: Self.unfinished)
        } catch let error where error.errno == .fileExists {
            if try !isUnfinished(layer) {
                throw DriverError(
                    .layerExists, "\(path(of: layer)) is there already", cause: error)
            }
            try detach(layer)
            try attempting(
                "make layer \(layer)",
                try directory.makeDirectory(layer.name, permissions: Self.unfinished))
        } catch {
            throw spaceError("make layer \(layer)", error, on: directory.descriptor)
        }
        do throws(DriverError) {
            let made = try open(layer)
            try fill(made)
            if syncsNames {
                try attempting("sync layer \(layer)", try made.sync())
                try attempting("sync the directory \(driver)", try directory.sync())
            }
        } catch {
            // The first failure tells more than one of the clean-up, which `remove` will repeat.
            try? detach(layer)
            throw error
        }
    }

    /// Whether files here can share blocks until they are written, tried once with two files
    /// without names.
    public var supportsReflink: Bool {
        guard let directory, !isReadOnly else { return false }
        return reflink.withLock { known in
            if let known { return known }
            let found = (try? CopyMethod.tryReflink(in: directory)) != nil
            known = found
            return found
        }
    }
}

extension LayerNumber {
    /// The name of the layer's directory.
    package var name: RawPath { RawPath(description) }
}

/// Describes a failed call, with the resource that ran out when `ENOSPC` was the answer: without
/// free inodes it means those.
package func spaceError(
    _ action: String, _ error: SyscallError, on descriptor: borrowing OwnedDescriptor
) -> DriverError {
    guard error.errno == .noSpace, let filesystem = try? descriptor.filesystem(),
        filesystem.totalInodes > 0, filesystem.freeInodes == 0
    else { return DriverError(action, error) }
    return DriverError(.noSpace, "could not \(action)", cause: error, resource: .inodes)
}

/// Refuses to go on without what a driver needs.
///
/// - Throws: ``DriverError/Code/unsupported`` with the first requirement that is unmet and not
///   optional.
public func require(_ requirements: [Requirement], driver: String) throws(DriverError) {
    for requirement in requirements where !requirement.isOptional {
        guard let refusal = requirement.refusal else { continue }
        throw DriverError(
            .unsupported, "driver \(driver) does not work here: no \(requirement.name)",
            cause: refusal)
    }
}
