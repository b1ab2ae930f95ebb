// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphTestSupport
import SystemPackage
import Testing

/// A command that is killed, and what then has to be true.
struct KilledCommand: Sendable, CustomTestStringConvertible {
    let name: String
    /// Run before, and not killed; each is a command line after the global options.
    var preparation: [[String]] = []
    /// Where one more command before is killed, which this one then meets the remains of.
    var killedBefore: (point: KillPoint, line: [String])?
    let line: [String]
    /// Whether the store has no layer before, and is not even made.
    var startsEmpty = false
    /// The layer that the command makes, changes or removes.
    var subject: String?
    /// The code with which a second try may fail, when the first one had done its work.
    var codeWhenDone: String?
    /// The image that it removes, which goes with both its layers or not at all.
    var removedImage: String?
    /// The file that it writes, which is an image or is not there.
    var output: String?
    /// The layer that it mounts or unmounts: at every other point it is removed straight away.
    var mounted: String?
    /// How many further layers it makes or removes, all or none.
    var together: Int?

    var testDescription: String { name }

    /// The commands, with the paths of a fixture.
    static func all(_ fixture: Fixture) -> [KilledCommand] {
        let apply = ["apply", "--parent", "base", fixture.small]
        let applyNamed = ["apply", "--id", "new", "--parent", "base", fixture.small]
        let create = ["create", "--id", "new", "--parent", "base"]
        let isLast = KillPoint(call: "syncfs", number: 1)
        return [
            KilledCommand(
                name: "first command", line: ["create", "--id", "new"], startsEmpty: true,
                subject: "new", codeWhenDone: "layerExists"),
            KilledCommand(name: "apply", line: apply),
            KilledCommand(
                name: "apply --id", line: applyNamed, subject: "new", codeWhenDone: "layerExists"),
            KilledCommand(name: "import", line: ["import", fixture.image]),
            KilledCommand(
                name: "rmi", preparation: [["import", fixture.image]], line: ["rmi", "latest"],
                codeWhenDone: "imageNotFound", removedImage: "latest"),
            KilledCommand(
                name: "export", preparation: [["import", fixture.image]],
                line: ["export", "latest", "oci-archive:" + fixture.exported],
                output: fixture.exported),
            KilledCommand(
                name: "create", line: create, subject: "new", codeWhenDone: "layerExists"),
            KilledCommand(
                name: "view", line: ["view", "--id", "new", "--parent", "base"], subject: "new",
                codeWhenDone: "layerExists"),
            KilledCommand(
                name: "commit", line: ["commit", "box"], subject: "box", codeWhenDone: "wrongKind"),
            KilledCommand(name: "mount", line: ["mount", "box"], mounted: "box"),
            KilledCommand(
                name: "second mount", preparation: [["mount", "box"]], line: ["mount", "box"],
                mounted: "box"),
            KilledCommand(name: "mount of a view", line: ["mount", "eye"], mounted: "eye"),
            KilledCommand(
                name: "unmount", preparation: [["mount", "box"]], line: ["unmount", "box"],
                codeWhenDone: "invalidArgument", mounted: "box"),
            KilledCommand(
                name: "rm", line: ["rm", "box"], subject: "box", codeWhenDone: "layerNotFound"),
            KilledCommand(
                name: "create of several", line: ["create", "--count", "3", "--parent", "base"],
                together: 3),
            KilledCommand(
                name: "rm of several",
                preparation: [
                    ["create", "--id", "x"], ["create", "--id", "y", "--parent", "base"],
                    ["view", "--id", "z", "--parent", "base"],
                ], line: ["rm", "x", "y", "z"], codeWhenDone: "layerNotFound", together: 3),
            KilledCommand(
                name: "gc", preparation: [["rm", "--no-reclaim", "box"]], line: ["gc"]),
            KilledCommand(
                name: "recovery of an apply", killedBefore: (isLast, applyNamed), line: ["ls"]),
            KilledCommand(
                name: "recovery of a commit", killedBefore: (isLast, ["commit", "box"]),
                line: ["ls"]),
        ]
    }

    /// Brings a store to where the command is run.
    func prepare(_ store: AttackedStore) throws {
        for line in preparation {
            let result = try store.graphctl(line)
            if !result.isSuccess { throw UnexpectedResult("\(result)") }
        }
        guard let (point, line) = killedBefore else { return }
        let result = try store.graphctl(line, under: point.wrapper)
        if result.status != CommandResult.killed { throw UnexpectedResult("not killed: \(result)") }
    }

    /// Kills the command at a point, and makes sure that nothing of it stays.
    ///
    /// - Returns: Whether it was killed, and did not end before.
    func attack(_ store: AttackedStore, at point: KillPoint) throws -> Bool {
        defer { if let output { try? FilePath(output).remove() } }
        try prepare(store)
        let result = try store.graphctl(line, under: point.wrapper)
        if result.status != CommandResult.killed && !result.isSuccess {
            throw UnexpectedResult("\(result)")
        }
        let layers = startsEmpty ? [] : try store.layers()
        if !startsEmpty {
            try store.succeed("gc")
            try store.requireClean()
            try requireOthers(layers)
            try requireTogether(layers)
        }
        if removedImage != nil { try requireWholeImage(store) }
        if let output, try FilePath(output).exists {
            let result = try store.graphctl(["import", output, "--json"])
            if !result.isSuccess { throw UnexpectedResult("half an image: \(result)") }
        }
        if let mounted, point.number % 2 == 0 {
            try removeAtOnce(mounted, store)
        } else {
            try repeatIt(store, layers)
        }
        // What the first opening cleared is in the trash until somebody frees it.
        if startsEmpty { try store.succeed("gc") }
        try store.requireClean()
        // The next to come, after everything: a container on what there is now.
        try store.succeed("create", "--id", "after")
        let left = try store.empty()
        if !left.isEmpty { throw UnexpectedResult("left: " + left.joined(separator: ", ")) }
        return result.status == CommandResult.killed
    }

    /// No layer is lost but the one that the command is about.
    private func requireOthers(_ layers: [ListedLayer]) throws {
        let gone = ["base", "box", "eye"].filter { id in
            id != subject && !layers.contains { $0.id == id }
        }
        let removed = preparation.contains { $0.first == "rm" } ? ["box"] : []
        if gone != removed { throw UnexpectedResult("gone: \(gone), not only \(removed)") }
    }

    /// Layers are there all, or none is.
    private func requireTogether(_ layers: [ListedLayer]) throws {
        guard let together else { return }
        let count = layers.filter { !["base", "box", "eye"].contains($0.id) }.count
        if count != 0 && count != together {
            throw UnexpectedResult("\(count) of \(together) layers")
        }
    }

    /// An image is there with its layers, or neither is.
    private func requireWholeImage(_ store: AttackedStore) throws {
        let images = try store.images()
        let count = try store.layers().filter { $0.kind == "committed" && $0.id != "base" }.count
        if images.count * 2 != count {
            throw UnexpectedResult("\(images.count) images with \(count) layers")
        }
    }

    /// A layer can be removed, or is refused and can be unmounted and then removed.
    private func removeAtOnce(_ layer: String, _ store: AttackedStore) throws {
        let result = try store.graphctl(["rm", layer, "--json"])
        if result.isSuccess { return }
        if result.code != "layerInUse" { throw UnexpectedResult("not removable: \(result)") }
        try store.succeed("unmount", layer)
        while try store.graphctl(["unmount", layer]).isSuccess {}
        try store.succeed("rm", layer)
    }

    private func repeatIt(_ store: AttackedStore, _ layers: [ListedLayer]) throws {
        let result = try store.graphctl(line + ["--json"])
        if result.isSuccess { return }
        guard let codeWhenDone, result.code == codeWhenDone else {
            throw UnexpectedResult("not repeatable: \(result)")
        }
        // It must have been done, then.
        let listed = layers.first { $0.id == subject }
        let isDone =
            switch codeWhenDone {
            case "layerExists": startsEmpty || listed != nil
            case "wrongKind": listed?.kind == "committed"
            case "layerNotFound": listed == nil
            default: true
            }
        if !isDone { throw UnexpectedResult("neither done nor repeatable: \(result)") }
    }
}
