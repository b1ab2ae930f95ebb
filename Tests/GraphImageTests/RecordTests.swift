// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphCore
import GraphImage
import GraphStore
import GraphTestSupport
import SystemPackage
import Testing

/// What is recorded of images, and what becomes of it.
@Suite struct RecordTests {
    /// An image of these layers whose configuration says something of its own.
    static func image(_ layers: [[UInt8]], called names: [String], saying text: String) -> TestImage
    {
        var image = TestImage()
        let list = layers.map { "\"\(Digest.of($0))\"" }.joined(separator: ",")
        let configuration = image.add(
            Array(
                #"{"os":"linux","architecture":"arm","variant":"v7","author":"\#(text)","rootfs":{"type":"layers","diff_ids":[\#(list)]}}"#
                    .utf8), "application/vnd.oci.image.config.v1+json")
        let blobs = layers.map { image.add($0, TestImage.layerType) }.joined(separator: ",")
        let manifest = Array(
            #"{"schemaVersion":2,"config":\#(configuration),"layers":[\#(blobs)]}"#.utf8)
        image.entries = names.map {
            image.add(manifest, TestImage.manifestType, more: TestImage.named($0))
        }
        return image
    }

    static func layers() throws -> [[UInt8]] {
        [try TestImage.layer("one", "first"), try TestImage.layer("two", "second")]
    }

    @Test func `two images over one chain live side by side, and either can go alone`() throws {
        try ImportFixture.with { fixture in
            let (store, layers) = (fixture.store, try Self.layers())
            let top = try fixture.importLayout(Self.image(layers, called: ["a:1"], saying: "a"))
            let again = try fixture.importLayout(Self.image(layers, called: ["b:1"], saying: "b"))
            #expect(again == top)
            let images = try store.images.over(top)
            #expect(images.flatMap(\.names) == ["a:1", "b:1"])
            for (image, text) in zip(images, ["a", "b"]) {
                let configuration = String(
                    decoding: try store.images.configuration(of: image), as: UTF8.self)
                #expect(configuration.contains(#""author":"\#(text)""#))
                #expect(
                    [image.system, image.architecture, image.variant] == ["linux", "arm", "v7"])
                #expect(image.layerCount == 2)
            }
            #expect(try store.images.remove("a:1").layers.isEmpty)
            #expect(try store.images.all().flatMap(\.names) == ["b:1"])
            #expect(try store.layers().count == 2)
            let removed = try store.images.remove("b:1")
            #expect(removed.layers.map(\.id) == [top.id, top.parent])
            #expect(try store.layers().isEmpty)
            #expect(try store.check().isEmpty)
        }
    }

    @Test func `an import of what is there stores nothing twice, and merges names`() throws {
        try ImportFixture.with { fixture in
            let image = Self.image(try Self.layers(), called: ["app:1"], saying: "app")
            let path = try fixture.written(image)
            func load(_ name: String?) throws -> ImportedImage {
                let source = try ImageSource(opening: path, spoolingTo: fixture.directory)
                return try importImage(source, name: name, into: fixture.store)
            }
            #expect(try !load(nil).wasPresent)
            let before = try fixture.store.layers()
            let again = try load(nil)
            #expect(again.wasPresent)
            #expect(again.image.names == ["app:1"])
            let named = try load("other")
            #expect(named.wasPresent)
            #expect(named.image.names == ["app:1", "other"])
            #expect(try fixture.store.images.all() == [named.image])
            #expect(try fixture.store.layers() == before)
        }
    }

    @Test func `a name is moved to the image that gets it`() throws {
        try ImportFixture.with { fixture in
            let store = fixture.store
            let one = Self.image([try TestImage.layer("one", "1")], called: ["app"], saying: "1")
            let two = Self.image([try TestImage.layer("two", "2")], called: ["app"], saying: "2")
            let first = try fixture.importLayout(one)
            let second = try fixture.importLayout(two)
            #expect(try store.images.find("app").top == second.id)
            let old = try #require(try store.images.over(first).first)
            #expect(old.names.isEmpty)
            try store.images.tag(
                String(old.id.hex.prefix(12)), as: "registry.example/lib/old:latest")
            #expect(try store.images.find("old").id == old.id)
            #expect(try store.layer("old") == first)
            #expect(try store.images.untag("old").names.isEmpty)
            #expect(throws: DriverError.self) { try store.images.find("old") }
            #expect(try store.images.remove(old.id.description).layers == [first])
            #expect(try store.images.all().flatMap(\.names) == ["app"])
        }
    }

    @Test func `an image without layers is an image`() throws {
        try ImportFixture.with { fixture in
            let image = Self.image([], called: ["empty"], saying: "none")
            let source = try ImageSource(
                opening: try fixture.written(image), spoolingTo: fixture.directory)
            let imported = try importImage(source, into: fixture.store)
            #expect(imported.top == nil)
            #expect(try fixture.store.images.find("empty") == imported.image)
            let box = try fixture.store.create(id: "box", parent: "empty")
            #expect(box.parent == nil)
            let view = try fixture.store.createView(id: "view", parent: "empty")
            #expect(view.parent == nil && view.depth == 1)
            #expect(try fixture.store.images.remove("empty").layers.isEmpty)
            #expect(try fixture.store.layers().map(\.id) == ["box", "view"])
        }
    }

    @Test func `what somebody else uses stays when an image goes`() throws {
        try ImportFixture.with { fixture in
            let (store, layers) = (fixture.store, try Self.layers())
            let base = try fixture.importLayout(
                Self.image([layers[0]], called: ["base"], saying: "base"))
            let top = try fixture.importLayout(Self.image(layers, called: ["top"], saying: "top"))
            // The topmost of an image is not removed by itself.
            let error = #expect(throws: DriverError.self) { try store.remove(top.id) }
            #expect(error?.code == .layerInUse)
            #expect(error?.message.contains("top") == true)
            // A container's layer keeps the chain below it.
            let box = try store.create(id: "box", parent: "top")
            #expect(box.parent == top.id)
            #expect(try store.images.remove("top").layers.isEmpty)
            try store.remove("box")
            try store.remove(top.id)
            // A layer with a name of its own is its owner's.
            let mine = try store.apply(MemorySource(layers[1]), id: "mine", parent: "base").layer
            #expect(try store.images.remove("base").layers.isEmpty)
            #expect(Set(try store.layers().map(\.id)) == [base.id, mine.id])
        }
    }

    @Test func `an image with several names loses the one that is given`() throws {
        try ImportFixture.with { fixture in
            let store = fixture.store
            let top = try fixture.importLayout(
                Self.image(try Self.layers(), called: ["app:1", "app:latest"], saying: "app"))
            let id = try #require(try store.images.over(top).first?.id.hex)
            let error = #expect(throws: DriverError.self) { try store.images.remove(id) }
            #expect(error?.code == .layerInUse)
            // `app` is `app:latest`.
            let removed = try store.images.remove("app")
            #expect(removed.untagged == "app:latest")
            #expect(removed.layers.isEmpty)
            #expect(try store.images.find(id).names == ["app:1"])
            #expect(try store.images.remove(id).layers.count == 2)
        }
    }

    @Test func `an image's name is no prefix, and a layer's id comes first`() throws {
        try ImportFixture.with { fixture in
            let store = fixture.store
            let top = try fixture.importLayout(
                Self.image(try Self.layers(), called: ["app"], saying: "app"))
            _ = try store.create(id: "app-1", parent: "app")
            #expect(try store.layer("app") == top)
            let own = try store.create(id: "app", parent: "app")
            #expect(try store.layer("app") == own)
            #expect(try store.referent("app") == .layer(own))
            #expect(try store.images.find("app").top == top.id)
        }
    }
}
