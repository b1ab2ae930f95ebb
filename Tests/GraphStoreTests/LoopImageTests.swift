// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphCore
import GraphStore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Stores that bring a filesystem along.
@Suite(.serialized) struct LoopImageTests {
    static let bytes: UInt64 = 320 << 20
    static let loopImage = NewLoopImage(.xfsImage, bytes: bytes)
    private static let isPossible: ConditionTrait = .enabled(
        if: Machine.isRoot, "a loop image needs loop devices")

    // MARK: Making and finding

    @Test(isPossible)
    func `a store on a loop image is found again after its loop image was detached`() throws {
        let fixture = try StoreFixture()
        let layer = try apply(fixture, loopImage: Self.loopImage)
        #expect(try Set(names(fixture.root)).isSubset(of: BedNames.all))
        let control = try LoopImageControl(root: fixture.root)
        #expect(try control.status().device != nil)
        try control.detach()
        #expect(try control.status().device == nil)
        #expect(try BedNames.devices(of: fixture).isEmpty)
        #expect(try names(fixture.root.appending("bed")).isEmpty)
        // As after a restart of the machine.
        let store = try fixture.open()
        #expect(try store.layer(layer.id) == layer)
        #expect(try store.check(deep: true).isEmpty)
        let info = try store.info()
        #expect(info.root == fixture.root)
        #expect(info.filesystem == "xfs")
        #expect(info.loopImage?.size == Self.bytes)
        #expect(info.loopImage.map { $0.allocatedBytes < Self.bytes / 2 } == true)
        #expect(info.loopImage?.isDirect == true)
    }

    @Test(isPossible) func `a loop image on a read-only filesystem is read`() throws {
        let fixture = try StoreFixture()
        let layer = try apply(fixture, loopImage: Self.loopImage)
        try LoopImageControl(root: fixture.root).detach()
        try Mount(.bind(fixture.root), attributes: .readOnly).attach(at: fixture.root)
        let store = try fixture.open()
        #expect(try store.layer(layer.id) == layer)
        #expect(try store.info().isReadOnly)
        expect(.storeReadOnly) { () throws(DriverError) in try store.create() }
    }

    @Test(isPossible) func `processes that open at once attach the loop image once`() throws {
        let fixture = try StoreFixture()
        _ = try apply(fixture, loopImage: Self.loopImage)
        for _ in 0..<3 {
            try LoopImageControl(root: fixture.root).detach()
            let workers = try (0..<4).map { _ in try StoreWorker(in: fixture, seconds: 0.3) }
            for worker in workers { #expect(worker.finish() == nil) }
            #expect(try BedNames.devices(of: fixture).count == 1)
            #expect(BedNames.mounts(of: fixture) == 1)
        }
        #expect(try fixture.open().check(deep: true).isEmpty)
    }

    @Test(isPossible) func `nobody takes the loop image away from who uses it`() throws {
        let fixture = try StoreFixture()
        let control = try { () throws in
            let store = try fixture.open(loopImage: Self.loopImage)
            let control = try LoopImageControl(root: fixture.root)
            expect(.layerInUse) { () throws(DriverError) in try control.detach() }
            _ = try store.create(id: "work")
            _ = try store.mount("work")
            return control
        }()
        // The store is closed, and the layer still mounted.
        expect(.layerInUse) { () throws(DriverError) in try control.detach() }
        #expect(BedNames.mounts(of: fixture) == 1)
        try { () throws in
            let store = try fixture.open()
            #expect(try store.mounted("work").count == 1)
            try store.unmount(layer: "work")
        }()
        try control.detach()
        #expect(try BedNames.devices(of: fixture).isEmpty)
    }

    @Test(isPossible) func `what is no place for a loop image is refused, and left as it was`()
        throws
    {
        let small = try StoreFixture()
        expect(.invalidArgument) { () throws(DriverError) in
            try small.open(loopImage: NewLoopImage(.xfsImage, bytes: 299 << 20))
        }
        expect(.unsupported) { () throws(DriverError) in
            try small.open(driver: "other", loopImage: Self.loopImage)
        }
        #expect(!FileManager.default.fileExists(atPath: small.root.string))

        let full = try StoreFixture()
        try full.makeTarget("root").appending("file").write("mine")
        expect(.invalidArgument) { () throws(DriverError) in
            try full.open(loopImage: Self.loopImage)
        }
        #expect(try names(full.root) == ["file"])

        let plain = try StoreFixture()
        _ = try plain.open()
        let before = try names(plain.root)
        expect(.invalidArgument) { () throws(DriverError) in
            try plain.open(loopImage: Self.loopImage)
        }
        #expect(try names(plain.root) == before)
        #expect(try plain.open().info().loopImage == nil)

        let made = try StoreFixture()
        _ = try made.open(loopImage: Self.loopImage)
        expect(.invalidArgument) { () throws(DriverError) in
            try made.open(loopImage: Self.loopImage)
        }
        try { () throws in #expect(try made.open().check().isEmpty) }()
        try LoopImageControl(root: made.root).detach()

        try withLoopFilesystem(type: .tmpfs, size: 64 << 20) { memory in
            let narrow = try StoreFixture(at: memory.appending("store"))
            expect(.noSpace) { () throws(DriverError) in try narrow.open(loopImage: Self.loopImage)
            }
            #expect(try names(narrow.root).isEmpty)
        }
    }

    @Test func `without loop devices a loop image is refused`() throws {
        let fixture = try StoreFixture()
        if !Machine.isInUserNamespace {
            // A store without one has none to attach, whoever asks.
            _ = try fixture.open()
            expect(.invalidArgument) { () throws(DriverError) in
                try LoopImageControl(root: fixture.root)
            }
            return
        }
        expect(.unsupported) { () throws(DriverError) in try fixture.open(loopImage: Self.loopImage)
        }
        #expect(!FileManager.default.fileExists(atPath: fixture.root.string))
    }

    // MARK: Durability

    @Test(isPossible) func `what is committed is in the image that a power cut leaves`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open(loopImage: Self.loopImage)
        let layer = try store.apply(MemorySource(try StoreFixture.tar("a", "kept"))).layer
        let copy = try StoreFixture(at: fixture.directory.appending("copy"))
        try copy.root.makeDirectory()
        try copy.root.appending("bed").makeDirectory()
        // The image as it is at this moment, with the filesystem in it in use.
        let image = copy.root.appending("bed.image").string
        try runCommand(
            "cp", ["--reflink=never", fixture.root.appending("bed.image").string, image])
        let error = expect(.invalidArgument) { () throws(DriverError) in try copy.open() }
        #expect(error?.message.contains("copy") == true)
        // Not by ours, which refuses it.
        try runCommand(
            "mount", ["-o", "loop,nouuid", image, copy.root.appending("bed").string])
        let tree = copy.root.appending("bed/folder/\(layer.number)")
        #expect(try tree.appending("a").readText() == "kept")
        let bare = try StoreFixture(at: copy.root.appending("bed"))
        let found = try LayerStore(
            LayerStore.Configuration(
                root: bare.directory, runRoot: bare.directory.appending("run")),
            drivers: [FolderDriver.self],
            chooseDriver: { (_) throws(DriverError) in FolderDriver.self
            }
        ).layer(layer.id)
        #expect(found == layer)
        try MountPoint(copy.root.appending("bed")).unmount(detaching: true)
        try runCommand("xfs_repair", ["-n", image])
    }

    // MARK: Support

    /// Applies a layer, and closes the store.
    private func apply(_ fixture: StoreFixture, loopImage: NewLoopImage? = nil) throws -> Layer {
        let store = try fixture.open(loopImage: loopImage)
        return try store.apply(MemorySource(try StoreFixture.tar("a", "content"))).layer
    }

    private func names(_ directory: FilePath) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.string).sorted()
    }
}

/// What a loop image is to others.
enum BedNames {
    /// What lies at the root of a store with a loop image.
    static let all: Set<String> = ["bed", "bed.image", "bed.lock", "bed.reserve"]

    /// The loop devices that show the image of a store.
    static func devices(of fixture: StoreFixture) throws -> [String] {
        let image = fixture.root.appending("bed.image").string
        return try FileManager.default.contentsOfDirectory(atPath: "/sys/block").filter { name in
            let file = FilePath("/sys/block/\(name)/loop/backing_file")
            return (try? file.readText())?.hasPrefix(image + "\n") == true
        }
    }

    /// How often its loop image is mounted.
    static func mounts(of fixture: StoreFixture) -> Int {
        MountTable.current().filter { $0 == fixture.root.appending("bed").string }.count
    }
}
