// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphCore
import GraphSystem
public import SystemPackage

extension LayerStore {
    /// Whether there is a store at a root; its bed stays attached where there is one.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/untrusted`` when another user could change what is at
    ///   the root.
    public static func exists(at root: FilePath) throws(DriverError) -> Bool {
        let place = try TrustedDirectory(root)
        var bed = try Bed.open(place)
        do throws(DriverError) {
            let found = try isStore(bed?.tree ?? place.opened, root)
            if !found { Bed.withdraw(&bed) }
            return found
        } catch {
            Bed.withdraw(&bed)
            throw error
        }
    }

    private static func isStore(
        _ folder: Directory?, _ root: FilePath
    ) throws(DriverError) -> Bool {
        guard let folder else { return false }
        try Trust.require(StorePaths.rootNames, in: folder, root)
        do throws(SyscallError) {
            // Either may still be empty in a store that is being made.
            for name in ["graph.db", "graph.db-wal"] as [RawPath] {
                if let file = try folder.statusIfPresent(of: name), file.size > 0 { return true }
            }
            return false
        } catch {
            throw DriverError("open the store at \(root)", error)
        }
    }

    /// What is wrong with the bed.
    func bedFindings() throws(DriverError) -> [Finding] {
        guard let bed else { return [] }
        let status = try bed.status()
        var findings: [Finding] = []
        if status.isShort {
            findings.append(
                Finding(
                    .bed, status.image.string,
                    "\(status.hostAvailableBytes) bytes are left on the filesystem below: layers "
                        + "cannot be written"))
        }
        if try !bed.fillsImage(status) {
            findings.append(
                Finding(
                    .bed, status.image.string,
                    "the image is larger than the filesystem in it; bed grow finishes that"))
        }
        return findings
    }
}

extension Bed {
    /// What a filesystem may leave of its image: a group that would be too small to be one, and the
    /// log, which it does not count.
    private static let unusedBytesMax: UInt64 = 16 << 20

    /// Whether the filesystem takes all of its image.
    func fillsImage(_ status: BedStatus) throws(DriverError) -> Bool {
        let bytes = try attempting("look at \(path)", try tree.bytesOfXFS())
        return bytes + Self.unusedBytesMax >= status.size
    }

    /// Has the filesystem give back what it gave up but had not told when the machine stopped.
    ///
    /// A failure costs space below and nothing else.
    func giveBack() {
        try? tree.descriptor.syncFilesystem()
        waitForFreeing()
        _ = try? tree.trim()
    }

    /// xfs frees what was removed a moment later, sooner when it is asked how full it is.
    private func waitForFreeing() {
        var known: UInt64?
        for _ in 0..<100 {
            guard let now = try? tree.descriptor.filesystem().availableBytes, now != known else {
                return
            }
            known = now
            Pause.milliseconds(20)
        }
    }
}
