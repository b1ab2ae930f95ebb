// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage

/// One thing that happens to a file of the records while nobody uses the store.
struct RecordDamage: CustomStringConvertible {
    enum Kind: String, CaseIterable {
        case removed, truncated, zeroed, flipped, older
    }

    static let files = ["graph.db", "graph.db-wal", "graph.db-shm"]

    let file: String
    let kind: Kind
    /// Whether the machine was started anew in between.
    let isAfterBoot: Bool

    var description: String { "\(file) \(kind)\(isAfterBoot ? ", after a boot" : "")" }

    /// All there are, so that a run takes each in turn.
    static let all = files.flatMap { file in
        Kind.allCases.flatMap { kind in
            [false, true].map { RecordDamage(file: file, kind: kind, isAfterBoot: $0) }
        }
    }

    /// Does it; false where there is nothing to do it to.
    func strike(
        _ root: FilePath, older: [[String: Data]], _ random: inout SeededGenerator
    ) throws -> Bool {
        let path = root.appending(file)
        guard var bytes = FileManager.default.contents(atPath: path.string), !bytes.isEmpty else {
            return false
        }
        switch kind {
        case .removed:
            try path.remove()
            return true
        case .truncated: bytes = bytes.prefix(Int.random(in: 0..<bytes.count, using: &random))
        case .zeroed: bytes = Data(count: bytes.count)
        case .flipped:
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &random)
                bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= bit
            }
        case .older:
            let copies = older.compactMap { $0[file] }.filter { $0 != bytes }
            guard let copy = copies.randomElement(using: &random) else { return false }
            bytes = copy
        }
        try RecordFiles.write(bytes, path)
        return true
    }
}

/// The files of the records, whole.
enum RecordFiles {
    static func read(_ root: FilePath) -> [String: Data] {
        var files: [String: Data] = [:]
        for name in RecordDamage.files {
            files[name] = FileManager.default.contents(atPath: root.appending(name).string)
        }
        return files
    }

    /// Puts a file in place of another one, as a copy from elsewhere is put there.
    static func write(_ bytes: Data, _ path: FilePath) throws {
        try bytes.write(to: URL(fileURLWithPath: path.string), options: .atomic)
    }
}

/// A store with a history, of which tests know what was sealed.
struct RecordedHistory {
    let store: AttackedStore
    let tars: [FilePath]
    var random: SeededGenerator
    private var round = 0

    init(_ store: AttackedStore, tars: [FilePath], seed: UInt64) {
        (self.store, self.tars) = (store, tars)
        random = SeededGenerator(seed: seed)
    }

    /// Does a few things that succeed or are refused.
    mutating func goOn() throws {
        for _ in 0..<Int.random(in: 1...6, using: &random) { try step() }
    }

    private mutating func step() throws {
        round += 1
        let layers = try store.layers()
        let committed = layers.filter { $0.kind == "committed" }.map(\.id)
        let parent = committed.randomElement(using: &random).map { ["--parent", $0] } ?? []
        let id = "r\(round)"
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<3:
            let tar = tars.randomElement(using: &random) ?? ""
            try allow(["apply", "--id", id] + parent + [tar.string])
        case 3..<5: try allow(["create", "--id", id] + parent)
        case 5..<8:
            try allow(["create", "--id", id] + parent)
            let place = FilePath(
                try store.succeed("mount", id).trimmingCharacters(in: .whitespacesAndNewlines))
            try place.appending("file-\(round)").write(
                String(repeating: "\(round) ", count: Int.random(in: 1...20_000, using: &random)))
            try allow(["unmount", id])
            try allow(["commit", id])
        default:
            if let old = layers.randomElement(using: &random) {
                _ = try store.graphctl(["rm", old.id])
            }
        }
    }

    private func allow(_ arguments: [String]) throws {
        let result = try store.graphctl(arguments)
        if !result.isSuccess { throw UnexpectedResult("\(result)") }
    }

    /// What lies on disk of each sealed layer, by its directory; nothing where layers are volumes of a pool, of
    /// which a deep check has to tell.
    func sealedTrees() throws -> [String: TreeSnapshot] {
        if store.driver == "devicemapper" { return [:] }
        struct Numbered: Decodable {
            let number: UInt32
            let kind: String
        }
        let list = try store.succeed("ls", "--json")
        var trees: [String: TreeSnapshot] = [:]
        for layer in try JSONDecoder().decode([Numbered].self, from: Data(list.utf8))
        where layer.kind == "committed" {
            let directory = store.root.appending(store.driver).appending("\(layer.number)")
            trees[directory.string] = try TreeSnapshot(of: tree(in: directory))
        }
        return trees
    }

    /// Where a layer's content is in its directory.
    func tree(in directory: FilePath) -> FilePath {
        switch store.driver {
        case "overlay": directory.appending("diff")
        case "btrfs": directory.appending("tree/root")
        default: directory.appending("root")
        }
    }
}
