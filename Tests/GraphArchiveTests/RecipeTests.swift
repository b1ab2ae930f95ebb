// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// A layer and its recipe give the tar back, byte for byte.
struct RecipeTests {
    /// Unpacks a tar on nothing, and puts it together again.
    private func roundTrip(_ tar: [UInt8]) throws -> [UInt8] {
        try withScratchRoot { root in
            let layer = try Directory(opening: root).makeOrOpenDirectory(
                "layer", permissions: 0o755)
            return try roundTrip(
                tar, in: root,
                ApplyTarget(directory: layer, namespace: .trusted, lower: .empty))
        }
    }

    private func roundTrip(
        _ tar: [UInt8], in root: FilePath, _ target: ApplyTarget
    ) throws -> [UInt8] {
        let recipe = try unpack(tar, in: root, target)
        var again = try recipeTar(recipe, in: root, target)
        let sink = MemorySink()
        try again.write(to: sink, expecting: Digest.of(tar))
        try verify(recipe, of: tar, in: root, target)
        return sink.bytes
    }

    private func verify(
        _ recipe: [UInt8], of tar: [UInt8], in root: FilePath, _ target: ApplyTarget
    ) throws {
        var again = try recipeTar(recipe, in: root, target)
        _ = try again.verify(expecting: Digest.of(tar))
    }

    /// Unpacks a tar, and gives its recipe.
    private func unpack(
        _ tar: [UInt8], in root: FilePath, _ target: ApplyTarget
    ) throws -> [UInt8] {
        let kept = root.appending("kept")
        if try kept.exists { try kept.remove() }
        let recipe = MemorySink()
        let writer = RecipeWriter(recipe) { () throws(SyscallError) in
            try OwnedDescriptor.open(kept, [.readWrite, .create, .truncate], permissions: 0o600)
        }
        _ = try unpackLayer(from: MemorySource(tar), into: target, recipe: writer)
        try writer.finish()
        if !writer.hasKept { return recipe.bytes }
        let resolved = MemorySink()
        try writer.resolveKept(in: MemorySource(recipe.bytes), to: resolved)
        return resolved.bytes
    }

    private func recipeTar(
        _ recipe: [UInt8], in root: FilePath, _ target: ApplyTarget
    ) throws -> RecipeTar {
        let kept = root.appending("kept")
        if try !kept.exists {
            return try RecipeTar(
                recipe: MemorySource(recipe), layer: target.directory, kept: nil)
        }
        return try RecipeTar(
            recipe: MemorySource(recipe), layer: target.directory,
            kept: try OwnedDescriptor.open(kept, .readOnly))
    }

    private func file(_ path: RawPath, _ text: String) -> LayerMember {
        LayerMember(
            ArchiveEntry(path: path, kind: .file(size: 0), permissions: 0o644),
            content: Array(text.utf8))
    }

    private func directory(_ path: RawPath) -> LayerMember {
        LayerMember(ArchiveEntry(path: path, kind: .directory, permissions: 0o755))
    }

    private func link(_ path: RawPath, to target: RawPath) -> LayerMember {
        LayerMember(ArchiveEntry(path: path, kind: .hardLink(target: target), permissions: 0o644))
    }

    @Test func `whatever stands behind the end comes back too`() throws {
        let tar = try LayerTar.bytes(of: [file("a", "one"), file("b", "")])
        for tail in [[], [0], [UInt8](repeating: 0, count: 9_000), Array("junk".utf8)] {
            #expect(try roundTrip(tar + tail) == tar + tail)
        }
        // Without an end marker, which GNU tar forgives.
        let open = Array(tar.dropLast(1_024))
        #expect(try roundTrip(open) == open)
    }

    @Test func `files that the archive replaces come back`() throws {
        let stacks: [[LayerMember]] = [
            [file("a", "one"), file("a", "two"), file("a", "three")],
            [file("a", "one"), directory("a"), file("a/b", "two"), file("a", "three")],
            [file("a", "one"), link("b", to: "a"), file("a", "two"), file("b", "three")],
            [
                directory("d"), file("d/a", "one"), directory("d/e"), file("d/e/f", "two"),
                file("d", "three"), directory("d"), file("d/a", "four"), link("x", to: "d/a"),
            ],
            [file("a", "same"), file("a", "same"), file("a", ""), file("a", "same")],
            [file("a", String(repeating: "x", count: 3_000_000)), file("a", "y")],
        ]
        for members in stacks {
            let tar = try LayerTar.bytes(of: members)
            #expect(try roundTrip(tar) == tar)
        }
    }

    @Test func `deletions with content and members without effect come back`() throws {
        let tar = try LayerTar.bytes(of: [
            file(".wh.gone", "why"), file("d/.wh..wh..opq", ""), file(".wh..wh.plnk", "aufs"),
            file("a", "one"),
        ])
        #expect(try roundTrip(tar) == tar)
    }

    @Test func `random archives come back, also with members that replace each other`() throws {
        var comeBack = 0
        for index in 0..<300 {
            let seed = SeededGenerator.runSeed &* 7_919 &+ UInt64(index)
            try withScratchRoot { root in
                let directory = try Directory(opening: root)
                var layers = RandomLayers(seed: seed)
                var stack: [Directory] = []
                for level in 0..<(1 + index % 3) {
                    var twin = layers
                    let members = twin.next() + layers.next() + layers.next()
                    let upper = try directory.makeOrOpenDirectory(
                        RawPath("\(level)"), permissions: 0o755)
                    let target = ApplyTarget(
                        directory: upper, namespace: .trusted,
                        lower: LayeredTree(layers: stack, whiteouts: .overlay(.trusted)))
                    let tar = try LayerTar.bytes(of: members)
                    do {
                        #expect(try roundTrip(tar, in: root, target) == tar, "seed \(seed)")
                    } catch let error as ArchiveError where error.code == .malformed {
                        // Members of one layer may be of no use behind those of another.
                        return
                    }
                    comeBack += 1
                    stack.insert(upper, at: 0)
                }
            }
        }
        #expect(comeBack > 100)
    }

    @Test func `each content is vouched for, also those that no member has`() throws {
        try withScratchRoot { root in
            let directory = try Directory(opening: root)
            let (lower, upper) = (
                try directory.makeOrOpenDirectory("lower", permissions: 0o755),
                try directory.makeOrOpenDirectory("upper", permissions: 0o755)
            )
            for name in ["p", "q"] { try root.appending("lower").appending(name).write("parent") }
            let tar = try LayerTar.bytes(of: [
                file("a", "one"), link("b", to: "a"), file("a", "two"), link("c", to: "p"),
                link("d", to: "q"), file("q", "three"),
            ])
            let target = ApplyTarget(
                directory: upper, namespace: .trusted,
                lower: LayeredTree(layers: [lower], whiteouts: .overlay(.trusted)))
            let recipe = try unpack(tar, in: root, target)
            for path in ["a", "b", "c", "d", "p", "q"] as [RawPath] {
                try flip(path, in: upper)
                let error = #expect(throws: ArchiveError.self, "\(path)") {
                    try verify(recipe, of: tar, in: root, target)
                }
                #expect(error?.code == .digestMismatch)
                try flip(path, in: upper)
                try verify(recipe, of: tar, in: root, target)
            }
        }
    }

    /// Changes a bit of a file's first byte.
    private func flip(_ path: RawPath, in directory: Directory) throws {
        let file = try directory.open(path, .readWrite)
        var byte: [UInt8] = [0]
        let count = try file.read(into: &byte, count: 1, at: 0)
        try #require(count == 1)
        byte[0] ^= 1
        try file.write(byte.span, at: 0)
    }

    @Test func `content that has changed is noticed`() throws {
        try withScratchRoot { root in
            let tar = try LayerTar.bytes(of: [file("a", "one"), file("b", "two")])
            let layer = try Directory(opening: root).makeOrOpenDirectory(
                "layer", permissions: 0o755)
            let recipe = MemorySink()
            let writer = RecipeWriter(recipe) { () throws(SyscallError) in
                throw SyscallError(call: "none", errno: .notSupported)
            }
            let target = ApplyTarget(directory: layer, namespace: .trusted, lower: .empty)
            _ = try unpackLayer(from: MemorySource(tar), into: target, recipe: writer)
            try writer.finish()
            func code() -> ArchiveError.Code? {
                let error = #expect(throws: ArchiveError.self) {
                    var again = try RecipeTar(
                        recipe: MemorySource(recipe.bytes), layer: layer, kept: nil)
                    try again.write(to: MemorySink(), expecting: Digest.of(tar))
                }
                return error?.code
            }
            let path = root.appending("layer").appending("b")
            try path.write("owt")
            #expect(code() == .digestMismatch)
            try path.write("t")
            #expect(code() == .malformed)
            try layer.removeFile("b")
            #expect(code() == .system)
        }
    }

    @Test func `a damaged recipe is an error and no crash`() throws {
        let tar = try LayerTar.bytes(of: [file("a", "one"), file("b", "two"), file("a", "three")])
        try withScratchRoot { root in
            let layer = try Directory(opening: root).makeOrOpenDirectory(
                "layer", permissions: 0o755)
            let recipe = MemorySink()
            let writer = RecipeWriter(recipe) { () throws(SyscallError) in
                try OwnedDescriptor.open(
                    root.appending("kept"), [.readWrite, .create], permissions: 0o600)
            }
            let target = ApplyTarget(directory: layer, namespace: .trusted, lower: .empty)
            _ = try unpackLayer(from: MemorySource(tar), into: target, recipe: writer)
            try writer.finish()
            for index in recipe.bytes.indices {
                var bytes = recipe.bytes
                bytes[index] ^= 0x55
                #expect(throws: ArchiveError.self, "byte \(index)") {
                    var again = try RecipeTar(
                        recipe: MemorySource(bytes), layer: layer, kept: nil)
                    try again.write(to: MemorySink(), expecting: Digest.of(tar))
                }
            }
        }
    }
}
