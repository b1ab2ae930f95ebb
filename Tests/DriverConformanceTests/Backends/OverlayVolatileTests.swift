// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphCore
import GraphStore
import GraphSystem
import GraphTestSupport
import Logging
import SystemPackage
import Testing

/// A volatile layer costs no sync, keeps all for as long as the machine runs, and is never taken for whole after it
/// has stopped.
@Suite(.serialized) struct OverlayVolatileTests {
    @Test(.usable("overlay")) func `a volatile layer keeps what was written from mount to mount`()
        throws
    {
        try withStore { store, _ in
            let layer = try store.create(id: "c", parent: "base", volatile: true)
            #expect(try store.isVolatile(layer))
            for round in 0..<3 {
                let place = try store.mount("c").path
                let options = try #require(try Self.mountOptions(at: place))
                #expect(options.contains("volatile"), "\(options)")
                #expect(try place.appending("file").readText() == "base")
                #expect(try place.names.filter { $0.hasPrefix("new-") }.count == round)
                try place.appending("new-\(round)").write("new")
                try store.unmount(layer: "c")
            }
        }
    }

    @Test(.usable("overlay")) func `a layer is not volatile unless that was asked for`() throws {
        try withStore { store, _ in
            let layer = try store.create(id: "c", parent: "base")
            #expect(try !store.isVolatile(layer))
            // Nor is one that a power cut took lost for that reason.
            let driver = try store.driver.withVolatile()
            #expect(try !driver.isLost(99) && !driver.isVolatile(99))
            let place = try store.mount("c").path
            #expect(try Self.mountOptions(at: place)?.contains("volatile") == false)
            try store.unmount(layer: "c")
        }
    }

    @Test(.usable("overlay")) func `a volatile layer that was committed is as good as any`() throws
    {
        try withStore { store, _ in
            _ = try store.create(id: "c", parent: "base", volatile: true)
            try store.mount("c").path.appending("new").write("new")
            try store.unmount(layer: "c")
            let committed = try store.commit("c")
            #expect(try !store.isVolatile(committed))
            #expect(committed.durability == .durable)
            _ = try store.create(id: "child", parent: "c")
            let place = try store.mount("child").path
            #expect(try place.appending("new").readText() == "new")
            #expect(try Self.mountOptions(at: place)?.contains("volatile") == false)
            try store.unmount(layer: "child")
            #expect(try store.check(deep: true).isEmpty)
        }
    }

    @Test(.usable("overlay"))
    func `once the machine has stopped a volatile layer is used by nobody`() throws {
        try withStore { store, root in
            for id in ["mounted", "unused", "plain"] {
                _ = try store.create(id: id, parent: "base", volatile: id != "plain")
            }
            for id in ["mounted", "plain"] {
                try store.mount(id).path.appending("new").write("new")
                try store.unmount(layer: id)
            }
            let number = try store.layer("mounted").number
            try Self.makeOlder(number, root)
            // Who has the store open still does not see what the next opening does.
            for step in [Self.mount, Self.commit] {
                let error = #expect(throws: DriverError.self) { try step(store, "mounted") }
                #expect(error?.code == .storeDamaged)
                #expect(error?.message.contains("is volatile, and the machine has stopped") == true)
            }
            #expect(try store.mounted("mounted").isEmpty)
            // Another run root has seen no start of this machine.
            let again = try Self.open(root, runRoot: "other-run")
            #expect(try again.layers().map(\.id) == ["base", "unused", "plain"])
            #expect(try again.check(deep: true).isEmpty)
            let place = try again.mount("plain").path
            #expect(try place.appending("new").readText() == "new")
            try again.unmount(layer: "plain")
            #expect(try again.isVolatile(again.layer("unused")))
        }
    }

    @Test(.usable("overlay")) func `a volatile layer of this start of the machine is left alone`()
        throws
    {
        try withStore { store, root in
            _ = try store.create(id: "c", parent: "base", volatile: true)
            let place = try store.mount("c").path
            try place.appending("new").write("new")
            let again = try Self.open(root, runRoot: "other-run")
            #expect(try again.layers().map(\.id) == ["base", "c"])
            let error = #expect(throws: DriverError.self) { try Self.mount(again, "c") }
            #expect(error?.code == .layerInUse)
            #expect(try place.appending("new").readText() == "new")
            try store.unmount(layer: "c")
        }
    }

    // MARK: Stores

    private static let mount: @Sendable (LayerStore, String) throws -> Void = {
        _ = try $0.mount($1)
    }
    private static let commit: @Sendable (LayerStore, String) throws -> Void = {
        _ = try $0.commit($1)
    }

    private func withStore(_ body: (LayerStore, FilePath) throws -> Void) throws {
        let subject = try #require(DriverUnderTest.usable.first { $0.name == "overlay" })
        try subject.withDirectory { directory in
            let store = try Self.open(directory.appending("root"), runRoot: "run")
            _ = try store.create(id: "new-base")
            try store.mount("new-base").path.appending("file").write("base")
            try store.unmount(layer: "new-base")
            _ = try store.commit("new-base", as: "base")
            try body(store, directory.appending("root"))
        }
    }

    private static func open(_ root: FilePath, runRoot: String) throws
        -> LayerStore
    {
        let subject = try #require(DriverUnderTest.usable.first { $0.name == "overlay" })
        let type = subject.type
        return try LayerStore(
            LayerStore.Configuration(
                root: root, runRoot: root.removingLastComponent().appending(runRoot),
                driver: "overlay",
                options: subject.storageOptions,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }),
            drivers: [type], chooseDriver: { (_) throws(DriverError) in type })
    }

    /// As if the machine had been started since the layer was mounted.
    private static func makeOlder(_ layer: LayerNumber, _ root: FilePath) throws {
        let directory = try Directory(
            opening: root.appending("overlay").appending(layer.description))
        let attributes = directory.attributes(of: ".")
        let name = try #require(try attributes.names().first { $0.hasSuffix("overlay.volatile") })
        try attributes.set(ExtendedAttribute(name: name, value: Array("another start".utf8)))
    }

    /// The options of the filesystem that is mounted at a place.
    private static func mountOptions(at place: FilePath) throws -> [Substring]? {
        let lines = try FilePath("/proc/self/mounts").readText().split(separator: "\n")
        let fields = lines.map { $0.split(separator: " ") }.last { $0[1] == place.string }
        return fields?[3].split(separator: ",").flatMap { $0.split(separator: "=") }
    }
}
