// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

extension LoopImage {
    /// What the image takes on the filesystem below before anything is in it, with something to spare.
    private static let bytesAtFirst: UInt64 = 128 << 20
    /// What a filesystem of its own may have at its root by itself.
    private static let harmless: RawPath = "lost+found"

    /// Makes the loop image of a new store.
    ///
    /// The image gets its name when it is a filesystem that has shown that files share blocks in it, so
    /// whoever dies on the way leaves nothing that the next one does not make anew. A loop image of the same
    /// size without a store on it was made by somebody who died after that, and is taken.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/invalidArgument`` when the size is too small or the root
    ///   is not empty, ``GraphCore/DriverError/Code/unsupported`` where this machine or the filesystem
    ///   below cannot hold a loop image, ``GraphCore/DriverError/Code/noSpace``.
    /// - Returns: The root, which is made where it does not exist.
    static func make(
        _ loopImage: NewLoopImage, at place: TrustedDirectory
    ) throws(DriverError) -> TrustedDirectory {
        if loopImage.bytes < NewLoopImage.bytesMin {
            throw DriverError(
                .invalidArgument,
                "a loop image has at least \(NewLoopImage.bytesMin >> 20) MiB, the least that xfs takes"
            )
        }
        try requireMeans()
        let made = place.opened == nil ? try place.make() : place
        let root = made.path
        guard let directory = made.opened else {
            throw DriverError(.system, "\(root) went away while a loop image was made in it")
        }
        try requireEmpty(root, directory)
        try Trust.require(LoopImageLayout.names, in: directory, root)
        try requireFilesystem(directory, root)
        let lock = try LoopImageLayout.lock(in: root)
        defer { withExtendedLifetime(lock) {} }
        if let image = try image(in: directory, root) {
            if image.size == loopImage.bytes { return made }
            throw DriverError(
                .invalidArgument,
                "there is a loop image of \(image.size) bytes at \(root) already: leave the size as it is, "
                    + "and grow it afterwards")
        }
        do throws(DriverError) {
            try make(loopImage, root, directory)
        } catch {
            try? directory.removeFile(LoopImageLayout.begun)
            throw error
        }
        return made
    }

    /// Refuses a machine that cannot attach an image, before anything is made.
    private static func requireMeans() throws(DriverError) {
        do throws(SyscallError) {
            _ = try OwnedDescriptor.open("/dev/loop-control", .readWrite)
        } catch {
            throw mountError("make a loop image", error)
        }
        do throws(SyscallError) {
            _ = try ChildProcess.find("mkfs.xfs")
        } catch {
            throw DriverError(
                .unsupported, "could not make a loop image: mkfs.xfs is not installed (xfsprogs)",
                cause: error)
        }
    }

    /// Refuses a root that has something else in it than what an interrupted call of this left.
    private static func requireEmpty(_ root: FilePath, _ directory: Directory) throws(DriverError) {
        let own = [
            LoopImageLayout.image, LoopImageLayout.begun, LoopImageLayout.tree,
            LoopImageLayout.lock, LoopImageLayout.reserve,
            harmless,
        ]
        let names = try attempting("look at \(root)", try directory.listing()).map(\.name)
        if names.contains("graph.db") {
            throw DriverError(
                .invalidArgument,
                "there is a store at \(root) already; a loop image is made for a new one"
            )
        }
        guard let other = names.first(where: { !own.contains($0) }) else { return }
        throw DriverError(
            .invalidArgument,
            "\(root) is not empty (\(other)); a loop image is made in an empty directory")
    }

    /// Refuses a filesystem that others may change, or that has no room even for an empty loop image.
    private static func requireFilesystem(
        _ directory: Directory, _ root: FilePath
    ) throws(DriverError) {
        let below = try attempting("look at \(root)", try directory.descriptor.filesystem())
        if below.isRemote {
            throw DriverError(
                .unsupported,
                "a loop image needs a filesystem of this machine, and \(root) is on \(below.typeName)"
            )
        }
        if below.isReadOnly {
            throw DriverError(.storeReadOnly, "\(root) is on a read-only filesystem")
        }
        if below.availableBytes < bytesAtFirst {
            throw DriverError(
                .noSpace,
                "an empty loop image takes up to \(bytesAtFirst >> 20) MiB, and \(root) has "
                    + "\(below.availableBytes >> 20) MiB left",
                resource: .bytes)
        }
    }

    private static func make(
        _ loopImage: NewLoopImage, _ root: FilePath, _ directory: Directory
    ) throws(DriverError) {
        let begun = root.appending(LoopImageLayout.begun.description)
        let file = try attempting("make \(begun)", try makeFile(loopImage, directory))
        do throws(SyscallError) {
            try ChildProcess.run(
                "mkfs.xfs", ["-q", "-f", "-K", "-m", "reflink=1", "-s", "size=4096", begun.string])
        } catch {
            throw DriverError(
                error.detail?.contains("No space left") == true ? .noSpace : .unsupported,
                "could not make a filesystem with reflink for the loop image", cause: error,
                resource: error.detail?.contains("No space left") == true ? .bytes : nil)
        }
        do throws(SyscallError) {
            let device = try LoopDevice.attach(file, directly: true)
            try Mount.withDetachedDevice(device.path, type: LoopImageLayout.filesystem) {
                (tree) throws(SyscallError) in try tryOut(tree)
            }
        } catch {
            throw mountError("try out the loop image", error)
        }
        do throws(SyscallError) {
            try file.sync()
            // Also what the store is mounted at, so that a copy of the root for reading has it.
            _ = try directory.makeOrOpenDirectory(LoopImageLayout.tree, permissions: 0o700)
            try directory.rename(LoopImageLayout.begun, to: LoopImageLayout.image, in: directory)
            try directory.sync()
        } catch {
            throw DriverError("name the loop image at \(root)", error)
        }
    }

    /// Makes the file, which takes no room yet.
    ///
    /// Under a new inode: the mkfs of somebody who was killed may still write to the old one.
    private static func makeFile(
        _ loopImage: NewLoopImage, _ directory: Directory
    ) throws(SyscallError) -> OwnedDescriptor {
        if try directory.statusIfPresent(of: LoopImageLayout.begun) != nil {
            try directory.removeFile(LoopImageLayout.begun)
        }
        let file = try directory.open(
            LoopImageLayout.begun, [.readWrite, .create, .exclusive], permissions: 0o600)
        // Every write elsewhere would scatter the image in a few days.
        if try file.filesystem().typeName == "btrfs" {
            try InodeFlags.disableCopyOnWrite(of: file)
        }
        try file.truncate(to: loopImage.bytes)
        try file.punchHole(at: 0, length: loopImage.bytes)
        return file
    }

    /// Makes sure that files share blocks, and closes the tree to others.
    private static func tryOut(_ tree: Directory) throws(SyscallError) {
        let (old, new) = (RawPath("old"), RawPath("new"))
        let file = try tree.open(old, [.readWrite, .create, .exclusive], permissions: 0o600)
        try file.write([UInt8](repeating: 1, count: 65_536).span)
        let copy = try tree.open(new, [.readWrite, .create, .exclusive], permissions: 0o600)
        if try copyContent(from: file, to: copy, size: 65_536) != .reflink {
            throw SyscallError(
                call: "ioctl(FICLONE)", errno: .notSupported, detail: "the files share no blocks")
        }
        try tree.removeFile(old)
        try tree.removeFile(new)
        try tree.descriptor.setPermissions(0o700)
        try tree.descriptor.syncFilesystem()
    }
}
