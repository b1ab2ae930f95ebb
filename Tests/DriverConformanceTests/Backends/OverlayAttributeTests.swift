// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphOverlay
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Layers with attributes of overlayfs that were put there by hand, read and, as the judge, mounted.
@Suite(
    .serialized, .usable("overlay"),
    .enabled(if: !Machine.isInUserNamespace, "overlayfs has neither in a user namespace"))
struct OverlayAttributeTests {
    /// Layers in a scratch directory, the topmost first.
    private struct Layers {
        let root: FilePath
        let directories: [Directory]

        func path(_ layer: Int, _ name: String) -> FilePath {
            root.appending("\(layer)").pushing(FilePath(name))
        }

        /// Sets `trusted.overlay.KEY`, and the same in the other namespace.
        func set(_ key: String, _ value: [UInt8], of name: String, in layer: Int) throws {
            for namespace in [OverlayNamespace.trusted, .user] {
                try directories[layer].attributes(of: RawPath(name)).set(
                    ExtendedAttribute(name: namespace.name(key), value: value))
            }
        }

        func set(_ key: String, _ value: String, of name: String, in layer: Int) throws {
            try set(key, Array(value.utf8), of: name, in: layer)
        }

        func tree(_ namespace: OverlayNamespace, referring: Set<Int>? = nil) -> LayeredTree {
            LayeredTree(
                layers: directories, whiteouts: .overlay(namespace), referring: referring)
        }

        /// Mounts the layers, for reading.
        func withMounted<Value>(_ body: (FilePath) throws -> Value) throws -> Value {
            let options = [
                MountOption("index", "off"), MountOption("metacopy", "on"),
                MountOption("redirect_dir", "on"), MountOption("xino", "off"),
            ]
            let lowers = directories.indices.map { root.appending("\($0)") }
            let takesEach = try OverlayLayers.takesLowersOneByOne(lower: lowers[0])
            let layers = OverlayLayers(
                lowers: lowers, options: options, usesOptionString: !takesEach)
            return try withMount([Mount(.overlay(layers))], body)
        }

        /// What our reader and the kernel say of the tree; attributes of overlayfs are left out.
        func expectRead(as paths: [String], sourceLocation: SourceLocation = #_sourceLocation)
            throws
        {
            let shown = try withMounted { place in
                try LayerTar.listing(
                    of: LayeredTree(layers: [try Directory(opening: place)], whiteouts: .plain))
            }
            // To the kernel the attributes of the other namespace are the user's own.
            let plain = shown.map { $0.replacing(/\ user\.overlay\..*$/, with: " ") }
            for namespace in [OverlayNamespace.trusted, .user] {
                let read = try LayerTar.listing(of: tree(namespace))
                    .map { $0.replacing(/\ (user|trusted)\.overlay\..*$/, with: " ") }
                #expect(read == plain, sourceLocation: sourceLocation)
            }
            #expect(
                try withMounted { try TreeSnapshot(of: $0).paths } == paths,
                sourceLocation: sourceLocation)
        }

        /// Expects our reader to call it damage, and the kernel to refuse to look at `name`.
        func expectDamage(_ name: String, _ what: String) throws {
            for namespace in [OverlayNamespace.trusted, .user] {
                let tree = tree(namespace)
                let error = #expect(throws: ArchiveError.self, "\(what)") {
                    try LayerTar.listing(of: tree)
                }
                #expect(error?.cause?.isDamage == true, "\(what): \(String(describing: error))")
            }
            _ = try withMounted { place in
                let directory = try Directory(opening: place)
                #expect(throws: SyscallError.self, "\(what)") {
                    try directory.status(of: RawPath(name))
                }
            }
        }
    }

    private func withLayers(_ count: Int, _ body: (Layers) throws -> Void) throws {
        try withScratchRoot { root in
            for index in 0..<count { try root.appending("\(index)").makeDirectory() }
            let directories = try (0..<count).map {
                try Directory(opening: root.appending("\($0)"))
            }
            try body(Layers(root: root, directories: directories))
        }
    }

    @Test func `redirects lead by names and by ways, through renames in the layers between`() throws
    {
        try withLayers(3) { layers in
            try layers.path(2, "x").makeDirectory()
            try layers.path(2, "x/one").write("1")
            try layers.path(2, "x/y").makeDirectory()
            try layers.path(2, "x/y/two").write("2")
            try layers.path(1, "z").makeDirectory()
            try layers.set("redirect", "x", of: "z", in: 1)
            try layers.path(0, "top").makeDirectory()
            try layers.set("redirect", "/z/y", of: "top", in: 0)
            try layers.path(0, "w").makeDirectory()
            try layers.path(0, "w/v").makeDirectory()
            try layers.set("redirect", "/z", of: "w/v", in: 0)
            try layers.expectRead(as: [
                "top", "top/two", "w", "w/v", "w/v/one", "w/v/y", "w/v/y/two", "x", "x/one", "x/y",
                "x/y/two", "z", "z/one", "z/y", "z/y/two",
            ])
        }
    }

    @Test func `an opaque directory hides what its redirect names`() throws {
        try withLayers(2) { layers in
            try layers.path(1, "old").makeDirectory()
            try layers.path(1, "old/hidden").write("x")
            try layers.path(0, "new").makeDirectory()
            try layers.set("redirect", "old", of: "new", in: 0)
            try layers.set("opaque", "y", of: "new", in: 0)
            try layers.expectRead(as: ["new", "old", "old/hidden"])
        }
    }

    @Test func `a way through an opaque directory, a deletion, a file or a link ends there`() throws
    {
        try withLayers(3) { layers in
            for name in ["opaque", "deleted", "file", "link"] {
                try layers.path(2, name).makeDirectory()
                try layers.path(2, name + "/sub").makeDirectory()
                try layers.path(2, name + "/sub/content").write("x")
                try layers.path(0, "to-" + name).makeDirectory()
                try layers.set("redirect", "/\(name)/sub", of: "to-" + name, in: 0)
            }
            try layers.path(1, "opaque").makeDirectory()
            try layers.set("opaque", "y", of: "opaque", in: 1)
            try layers.directories[1].makeSpecial("deleted", .characterDevice, permissions: 0)
            try layers.path(1, "file").write("x")
            try layers.directories[1].makeSymbolicLink("link", to: "opaque")
            let tooLong = String(repeating: "x", count: 300)
            for (name, redirect) in [
                ("to-nowhere", "/nowhere/sub"), ("to-no-name", "nowhere"), ("to-too-long", tooLong),
                ("to-a-way-too-long", "/opaque/" + tooLong),
            ] {
                try layers.path(0, name).makeDirectory()
                try layers.set("redirect", redirect, of: name, in: 0)
            }
            try layers.expectRead(as: [
                "file", "link", "opaque", "to-a-way-too-long", "to-deleted", "to-file", "to-link",
                "to-no-name", "to-nowhere", "to-opaque", "to-too-long",
            ])
        }
    }

    @Test func `an absolute redirect below an opaque directory leads out of it`() throws {
        try withLayers(3) { layers in
            try layers.path(2, "there").makeDirectory()
            try layers.path(2, "there/content").write("x")
            try layers.path(1, "opaque").makeDirectory()
            try layers.set("opaque", "y", of: "opaque", in: 1)
            try layers.path(1, "opaque/sub").makeDirectory()
            try layers.set("redirect", "/there", of: "opaque/sub", in: 1)
            try layers.path(0, "new").makeDirectory()
            try layers.set("redirect", "/opaque/sub", of: "new", in: 0)
            try layers.expectRead(as: [
                "new", "new/content", "opaque", "opaque/sub", "opaque/sub/content", "there",
                "there/content",
            ])
        }
    }

    @Test(arguments: [[], [0, 4, 0, 0], [0, 36, 0, 1] + [UInt8](repeating: 9, count: 32)])
    func `data are found through several files without them`(_ value: [UInt8]) throws {
        try withLayers(4) { layers in
            try layers.path(3, "folder").makeDirectory()
            try layers.path(3, "folder/data").write("data")
            try layers.path(2, "name").write("0000")
            try layers.set("metacopy", value, of: "name", in: 2)
            try layers.set("redirect", "/folder/data", of: "name", in: 2)
            try layers.path(0, "top").write("0000", permissions: 0o600)
            try layers.set("metacopy", value, of: "top", in: 0)
            try layers.set("redirect", "name", of: "top", in: 0)
            try layers.expectRead(as: ["folder", "folder/data", "name", "top"])
            try layers.withMounted { (place: FilePath) throws in
                #expect(try place.appending("top").readText() == "data")
            }
        }
    }

    @Test func `whiteouts that are attributes hide, in directories that are marked for them`()
        throws
    {
        try withLayers(2) { layers in
            for layer in 0...1 { try layers.path(layer, "folder").makeDirectory() }
            try layers.path(1, "folder/gone").write("x")
            try layers.path(1, "folder/kept").write("x")
            try layers.path(0, "folder/gone").write("")
            try layers.path(0, "folder/empty").write("")
            try layers.set("opaque", "x", of: "folder", in: 0)
            try layers.set("whiteout", "", of: "folder/gone", in: 0)
            try layers.expectRead(as: ["folder", "folder/empty", "folder/kept"])
        }
    }

    @Test func `an attribute that a user gave in a mount is the user's`() throws {
        try withLayers(2) { layers in
            try layers.path(1, "file").write("x")
            try layers.set("overlay.opaque", "mine", of: "file", in: 1)
            let sink = MemorySink()
            let source = DiffSource(old: .empty, new: layers.tree(.trusted))
            try writeTreeDiff(source, to: sink)
            let attributes = try LayerTar.members(of: sink.bytes).last?.entry.attributes
            // As overlayfs keeps it, so that a layer made of this tar shows it as well.
            let expected = ExtendedAttribute(
                name: "trusted.overlay.overlay.opaque", value: Array("mine".utf8))
            #expect(attributes?.contains(expected) == true)
            try layers.withMounted { (place: FilePath) throws in
                #expect(
                    try Directory(opening: place).attributes(of: "file")
                        .value(of: "trusted.overlay.opaque")
                        == Array("mine".utf8))
            }
        }
    }

    @Test(arguments: [
        "", "/", "//old", "/old/", "/old//sub", "../old", "old/sub", "..", ".", "/..", "/../old",
        "/old/../old", "/./old",
    ])
    func `a redirect to no place is damage`(_ value: String) throws {
        try withLayers(2) { layers in
            try layers.path(1, "old").makeDirectory()
            try layers.path(1, "old/sub").makeDirectory()
            try layers.path(0, "new").makeDirectory()
            try layers.set("redirect", value, of: "new", in: 0)
            try layers.expectDamage("new", "redirect \"\(value)\"")
        }
    }

    @Test func `a file whose data are nowhere is damage`() throws {
        try withLayers(3) { layers in
            try layers.path(2, "directory").makeDirectory()
            try layers.path(2, "bottom").write("0000")
            try layers.set("metacopy", "", of: "bottom", in: 2)
            try layers.expectDamage("bottom", "in the bottom layer")
            try layers.path(2, "bottom").remove()
            for (name, redirect) in [
                ("missing", nil), ("directory", nil), ("loop", "loop"), ("away", "/directory/x"),
                ("folder", "directory"), ("outside", "/../../etc/passwd"),
            ] {
                try layers.path(0, name).write("0000")
                try layers.set("metacopy", "", of: name, in: 0)
                if let redirect { try layers.set("redirect", redirect, of: name, in: 0) }
                try layers.expectDamage(name, name)
                try layers.path(0, name).remove()
            }
        }
    }

    @Test func `a metacopy too short for its header is damage`() throws {
        try withLayers(2) { layers in
            try layers.path(1, "file").write("data")
            try layers.path(0, "file").write("0000")
            try layers.set("metacopy", [0, 3, 0], of: "file", in: 0)
            try layers.expectDamage("file", "three bytes")
        }
    }

    @Test(arguments: [("metacopy", "file"), ("redirect", "directory"), ("whiteout", "file")])
    func `what a layer must not have is damage, and not passed over`(
        _ key: String, _ name: String
    ) throws {
        try withLayers(2) { layers in
            try layers.path(0, "file").write("")
            try layers.path(0, "directory").makeDirectory()
            try layers.set(key, "other", of: name, in: 0)
            let error = #expect(throws: ArchiveError.self) {
                try LayerTar.listing(of: layers.tree(.trusted, referring: []))
            }
            #expect(error?.cause?.isDamage == true)
        }
    }
}
