// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CMeasure
import Foundation
import GraphBuiltins
import GraphCore
import GraphDeviceMapper
import GraphStore
import Logging
import Measure
import SystemPackage

/// Something that shows a writable copy of a set of files without copying them, if it can.
protocol Backend: AnyObject {
    /// Who it is in the result: `overlay on ext4`.
    var subject: String { get }
    /// How it is set; empty for its defaults.
    var mode: String { get }
    var bed: Bed { get }
    /// Whether this trigger tells something here that another mode does not.
    func wants(_ trigger: Trigger) -> Bool
    /// The files of this size as it has them.
    func files(of size: Int) -> FileSet
    /// Bytes that each writable copy takes from the bed at once.
    func bytesTaken(by files: FileSet) -> Int
    /// Makes the files that are shared by all writable copies.
    func prepare(_ files: FileSet) throws
    /// Makes a writable copy and returns the path where its files are.
    func make(_ files: FileSet) throws -> String
    /// Has nothing of the bed in memory any more, and returns the new path.
    ///
    /// All other users of the bed have let go of it.
    func makeCold() throws -> String
    /// Writes all that is waiting to the bed's device.
    func sync() throws
    /// Removes what ``make(_:)`` made.
    func discard() throws
    /// Lets go of the bed, so that it can be mounted anew.
    func close()
}

extension Backend {
    /// The subject as it is asked for, whatever it lies on: `bare-overlay`.
    var name: String {
        let words = subject.split(separator: " ")
        return words.dropLast(2).joined(separator: "-")
    }

    func wants(_ trigger: Trigger) -> Bool { true }
    func bytesTaken(by files: FileSet) -> Int { 0 }
    func sync() throws { try bed.sync() }
    func files(of size: Int) -> FileSet { FileSet(size: size, sharingOn: bed.filesystem) }
}

/// A driver below a layer store, as users have it, but that making a layer waits for no disk.
final class StoreBackend: Backend {
    let driver: String
    let options: [String: String]
    let mode: String
    let bed: Bed
    private let triggers: [String]?
    private var storeIfOpen: LayerStore?
    private var layer: String?
    private var place: String?

    init(
        _ driver: String, on bed: Bed, mode: String = "", options: [String: String] = [:],
        triggers: [String]? = nil
    ) {
        (self.driver, self.bed, self.mode, self.options) = (driver, bed, mode, options)
        self.triggers = triggers
    }

    var subject: String { "\(driver) on \(bed.filesystem)" }
    private var root: FilePath { FilePath("\(bed.path)/\(driver)") }

    func wants(_ trigger: Trigger) -> Bool { triggers?.contains(trigger.name) ?? true }

    func bytesTaken(by files: FileSet) -> Int {
        driver == "vfs" && bed.filesystem == .ext4 ? files.bytes : 0
    }

    private func store() throws -> LayerStore {
        if let storeIfOpen { return storeIfOpen }
        let store = try LayerStore(
            LayerStore.Configuration(
                root: root, runRoot: FilePath("\(bed.path)/\(driver)-run"), driver: driver,
                options: options, durability: .unsynced, logger: Logger(label: "graphbench")),
            drivers: BuiltinDrivers.all, chooseDriver: BuiltinDrivers.automatic)
        storeIfOpen = store
        return store
    }

    private func base(_ files: FileSet) -> String { "base-\(files.size)" }

    func prepare(_ files: FileSet) throws {
        let store = try store()
        if try store.layers().contains(where: { $0.id == base(files) }) { return }
        let layer = try store.create().id
        try files.write(into: try store.mount(layer).path.string)
        _ = try store.unmount(layer: layer)
        _ = try store.commit(layer, as: base(files), observer: .none)
    }

    func make(_ files: FileSet) throws -> String {
        let store = try store()
        let made = try store.create(parent: base(files)).id
        layer = made
        return try mount(made)
    }

    private func mount(_ layer: String) throws -> String {
        let mounted = try store().mount(layer).path.string
        place = mounted
        return mounted
    }

    func sync() throws {
        // A volume's filesystem is not the bed's, and comes first.
        if driver == "devicemapper", let place {
            let root = cmeasure_open(place, O_RDONLY | O_DIRECTORY, 0)
            guard root != -1 else { throw failure("open \(place)") }
            defer { Glibc.close(root) }
            if cmeasure_sync_filesystem(root) == -1 { throw failure("syncfs \(place)") }
        }
        try bed.sync()
    }

    func makeCold() throws -> String {
        guard let layer else { throw MeasureError("nothing was made") }
        place = nil
        _ = try store().unmount(layer: layer)
        close()
        try bed.makeCold()
        return try mount(layer)
    }

    func discard() throws {
        let store = try store()
        guard let layer else { return }
        (self.layer, place) = (nil, nil)
        _ = try store.unmount(layer: layer)
        _ = try store.remove(layer)
        _ = try store.reclaim()
    }

    func close() {
        guard let store = storeIfOpen else { return }
        storeIfOpen = nil
        guard driver == "devicemapper" else { return }
        // The kernel keeps a pool, and with it the files that it lies on, until it is told.
        if let layer { _ = try? store.unmount(layer: layer) }
        try? PoolControl(root: root).stop()
    }

    /// Why the driver does not work here, in a sentence; nil where it does.
    static func refusal(of driver: String, at path: String) -> String? {
        guard let type = BuiltinDrivers.all.first(where: { $0.name == driver }) else {
            return "no such driver in this build"
        }
        let refused = type.probe(root: FilePath(path)).first { !$0.isMet && !$0.isOptional }
        return refused.map { "\($0.name): \($0.refusal?.description ?? "refused")" }
    }
}

/// overlayfs alone, for what the driver does not offer.
final class BareOverlay: Backend {
    let mode: String
    let bed: Bed
    private let options: String
    private let triggers: [String]
    private var count = 0
    private var all = ""

    init(on bed: Bed, mode: String, options: String, triggers: [String]) {
        (self.bed, self.mode, self.options, self.triggers) = (bed, mode, options, triggers)
    }

    var subject: String { "bare overlay on \(bed.filesystem)" }
    private func lower(_ files: FileSet) -> String { "\(bed.path)/plain/\(files.size)" }
    private var place: String { "\(bed.path)/bare\(count)" }

    func wants(_ trigger: Trigger) -> Bool { triggers.contains(trigger.name) }
    func prepare(_ files: FileSet) throws { try PlainFiles.prepare(files, on: bed) }

    func make(_ files: FileSet) throws -> String {
        count += 1
        for directory in ["", "/upper", "/work", "/merged"] { mkdir(place + directory, 0o755) }
        all =
            "lowerdir=\(lower(files)),upperdir=\(place)/upper,workdir=\(place)/work,\(options)"
        try mountOverlay()
        return place + "/merged"
    }

    private func mountOverlay() throws {
        if mount("overlay", place + "/merged", "overlay", 0, all) == -1 {
            throw failure("mount of an overlay with \(options)")
        }
    }

    func makeCold() throws -> String {
        if umount2(place + "/merged", 0) == -1 { throw failure("umount") }
        try bed.makeCold()
        // What `volatile` left says that the layer cannot be trusted; nothing was lost here.
        try Tool.run("rm", "-rf", place + "/work/work/incompat")
        try mountOverlay()
        return place + "/merged"
    }

    func discard() throws {
        if umount2(place + "/merged", 0) == -1 { throw failure("umount") }
        try? FileManager.default.removeItem(atPath: place)
    }

    func close() {}

    /// Why overlayfs does not take these options here; nil when it does.
    static func refusal(of options: String, on bed: Bed) -> String? {
        let backend = BareOverlay(on: bed, mode: "", options: options, triggers: [])
        let files = backend.files(of: 4096)
        do {
            try backend.prepare(files)
            _ = try backend.make(files)
            try backend.discard()
            return nil
        } catch {
            _ = try? Tool.run("rm", "-rf", backend.place)
            return "\(error)"
        }
    }
}

/// Files of the same filesystem that nothing is shared with: what the operation costs anyway.
final class PlainFiles: Backend {
    let bed: Bed
    let mode = ""
    private var files: FileSet?
    private var place: String { "\(bed.path)/plain-copy" }

    init(on bed: Bed) { self.bed = bed }

    var subject: String { "plain on \(bed.filesystem)" }
    func files(of size: Int) -> FileSet { FileSet(size: size, sharingOn: nil) }
    func bytesTaken(by files: FileSet) -> Int { files.bytes }

    static func prepare(_ files: FileSet, on bed: Bed) throws {
        let origin = "\(bed.path)/plain/\(files.size)"
        mkdir("\(bed.path)/plain", 0o755)
        if mkdir(origin, 0o755) == -1 && errno == EEXIST { return }
        try files.write(into: origin)
        try bed.sync()
    }

    /// What bare overlays and floors read.
    func prepare(_ files: FileSet) throws {
        try Self.prepare(FileSet(size: files.size, sharingOn: bed.filesystem), on: bed)
    }

    func make(_ files: FileSet) throws -> String {
        if files.size == self.files?.size { return place }
        try remove()
        mkdir(place, 0o755)
        try files.write(into: place)
        self.files = files
        return place
    }

    func makeCold() throws -> String {
        try bed.makeCold()
        return place
    }

    /// A large file is kept for the next time, where all of it is still there.
    func discard() throws {
        guard let files, files.size > 1 << 24 else { return try remove() }
        let path = files.path(0, in: place)
        rename(path + ".renamed", path)
        for name in [".first", ".second"] { unlink(path + name) }
        var status = stat()
        guard stat(path, &status) == 0, status.st_size >= files.size else { return try remove() }
        if truncate(path, off_t(files.size)) == -1 { throw failure("truncate") }
    }

    private func remove() throws {
        files = nil
        try? FileManager.default.removeItem(atPath: place)
    }

    func close() {}
}
