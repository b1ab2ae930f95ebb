// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
import GraphSystem
import SystemPackage

extension LayerDirectories {
    /// Names in the trash begin with the driver's, because drivers of one store share it.
    private var trashPrefix: String { driver + "-" }

    /// Moves a layer's directory to the trash, under a name that nothing else has; does nothing when
    /// there is none.
    ///
    /// A filesystem too full for even a name is given the space of the layer at once instead.
    public func detach(_ layer: LayerNumber) throws(DriverError) {
        let directory = try writableDirectory()
        let token = String(UInt64.random(in: .min ... .max), radix: 16)
        let name = RawPath("\(trashPrefix)\(layer)-\(token)")
        do throws(SyscallError) {
            if try directory.statusIfPresent(of: layer.name) == nil { return }
            let trash = try openTrash(making: true)
            try directory.rename(layer.name, to: name, in: trash ?? directory)
        } catch let error where error.errno == .noSuchFileOrDirectory {
            return
        } catch let error where error.errno == .noSpace || error.errno == .diskQuotaExceeded {
            try attempting("remove layer \(layer)", try empty(layer.name, in: directory))
            _ = try attempting("remove layer \(layer)", try directory.removeTree(layer.name))
        } catch {
            throw DriverError("remove layer \(layer)", error)
        }
    }

    /// Destroys what is in a directory and cannot be unlinked.
    func empty(_ name: RawPath, in directory: Directory) throws(SyscallError) {
        guard let emptying else { return }
        do throws(SyscallError) {
            try emptying(try directory.openDirectory(name))
        } catch let error
            where error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory
        {
            // Another process was quicker, or there is nothing but a file.
        }
    }

    private func openTrash(making: Bool) throws(SyscallError) -> Directory? {
        let opened = try Directory(opening: root)
        do throws(SyscallError) {
            return try opened.openDirectory(Self.trash)
        } catch let error where error.errno == .noSuchFileOrDirectory {
            return making ? try opened.makeOrOpenDirectory(Self.trash, permissions: 0o700) : nil
        }
    }

    /// Frees what this driver has in the trash, and what killed probes and diffs left.
    ///
    /// One item that cannot be freed does not keep the others: the first failure is thrown at the
    /// end.
    public func reclaim(observer: WorkObserver) throws(DriverError) -> UInt64 {
        _ = try writableDirectory()
        var freed: UInt64 = 0
        var failure: DriverError?
        let root = try attempting("open the store's root", try Directory(opening: root))
        let trash = try attempting("open the trash", try openTrash(making: false))
        do throws(DriverError) {
            try clearAbandonedScratch()
        } catch {
            failure = error
        }
        for name in try trashNames(trash) {
            let before = freed
            if isStopped(observer, before) { return freed }
            do throws(DriverError) {
                let directory = trash ?? root
                try attempting("free \(name)", try empty(name, in: directory))
                let outcome = try attempting(
                    "free \(name)",
                    try directory.removeTree(name) { isStopped(observer, before) })
                freed += outcome.freedBytes
                if !outcome.isComplete { return freed }
            } catch  where error.cause?.errno == .resourceTemporarilyUnavailable {
                // Somebody reads it, and the next call finds it again.
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        return freed
    }

    private func trashNames(_ trash: Directory?) throws(DriverError) -> [RawPath] {
        guard let trash else { return [] }
        return try attempting("list the trash", try trash.listing()).map(\.name)
            .filter { $0.description.hasPrefix(trashPrefix) }
    }

    private func isStopped(_ observer: WorkObserver, _ freed: UInt64) -> Bool {
        do throws(ArchiveError) {
            try observer.report(WorkProgress(phase: "freeing", completedBytes: freed))
            return false
        } catch {
            return true
        }
    }

    /// What there is of this driver: its layers, what waits in the trash, and what it did not make.
    public func inventory() throws(DriverError) -> [InventoryItem] {
        var items: [InventoryItem] = []
        if let directory {
            // A descriptor of its own: a listing moves the position of the one it reads.
            let listing = try attempting(
                "list the directory \(driver)", try directory.openDirectory(".").listing())
            for entry in listing {
                let name = entry.name.description
                let kind: InventoryItem.Kind = LayerNumber(name).map { .layer($0) } ?? .foreign
                items.append(InventoryItem(kind, location: "\(driver)/\(name)"))
            }
        }
        let trash = try attempting("open the trash", try openTrash(making: false))
        for name in try trashNames(trash) {
            items.append(InventoryItem(.trash, location: "\(Self.trash)/\(name)"))
        }
        for name in try abandonedScratch() {
            items.append(InventoryItem(.trash, location: name.description))
        }
        return items
    }
}
