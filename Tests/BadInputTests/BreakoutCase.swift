// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// An archive whose names and links may lead out of the layer, and what must come of it.
struct BreakoutCase: Sendable {
    enum Outcome: Sendable {
        /// The tree as ``TreeSnapshot/sketch(of:)`` tells it.
        case tree([String])
        /// The words of the line with which it is refused.
        case refused(String)
    }

    let what: String
    /// The layer below in lines as ``Sketch`` reads them; `@` stands for a directory outside of the store, `%` for that
    /// without the slash in front.
    var base: [String] = []
    let archive: [String]
    /// Words of the warning that the archive deserves.
    var warning: String?
    let outcome: Outcome

    init(
        _ what: String, above base: [String] = [], _ archive: [String], warning: String? = nil,
        gives tree: [String]
    ) {
        (self.what, self.base, self.archive, self.warning) = (what, base, archive, warning)
        outcome = .tree(tree)
    }

    init(
        _ what: String, above base: [String] = [], _ archive: [String], refused words: String
    ) {
        (self.what, self.base, self.archive) = (what, base, archive)
        outcome = .refused(words)
    }

    /// Applies the archive, compares what came of it, and removes it.
    func check(in store: BadInputStore, _ canary: FilePath) throws {
        func filled(_ lines: [String]) -> [String] {
            lines.map {
                $0.replacing("@", with: canary.string)
                    .replacing("%", with: canary.string.dropFirst())
            }
        }
        let (baseTar, tar) = (store.file("base.tar"), store.file("breakout.tar"))
        try RawTar.write(baseTar, filled(base))
        try RawTar.write(tar, filled(archive))
        let outside = try OutsidePlaces(of: filled(base + archive).map(Sketch.init), store)
        let (inside, beside) = (try store.names(), try TreeSnapshot(of: canary))
        var arguments = ["apply", "--id", "top"]
        if !base.isEmpty {
            try store.command.succeed("apply", "--id", "base", baseTar.string)
            arguments += ["--parent", "base"]
        }
        let result = try store.command.run(arguments + [tar.string])
        let lines = result.errors.split(separator: "\n")
        switch outcome {
        case .tree(let wanted):
            try #require(result.status == 0, "\(what): \(result.errors)")
            #expect(lines.count == (warning == nil ? 0 : 1), "\(what): \(result.errors)")
            #expect(lines.allSatisfy { $0.contains(warning ?? "") }, "\(what): \(result.errors)")
            try store.command.withView(of: "top") { (place: FilePath) throws in
                let found = try TreeSnapshot.sketch(of: place)
                #expect(found == filled(wanted).sorted(), "\(what)")
            }
            try store.command.succeed("rm", "top")
        case .refused(let words):
            #expect(result.status == 1, "\(what)")
            #expect(lines.count == 1 && result.errors.contains(words), "\(what): \(result.errors)")
        }
        if !base.isEmpty { try store.command.succeed("rm", "base") }
        try store.expectNothingLeft(what)
        #expect(try store.names() == inside, "\(what)")
        #expect(try outside.touched() == [], "\(what)")
        #expect(try TreeSnapshot(of: canary).differences(from: beside) == [], "\(what)")
    }
}

extension BadInputStore {
    /// Runs cases one after the other, with a directory beside the store that has the names they use.
    static func check(_ cases: [BreakoutCase], _ subject: DriverUnderTest) throws {
        try with(subject) { store in
            let canary = store.file("outside")
            for directory in ["outside", "outside/etc", "etc", "victim"] {
                let place = store.command.directory.pushing(FilePath(directory))
                try place.makeDirectory()
                for name in ["passwd", "hello", "perm400", "old"] {
                    try place.appending(name).write("outside", permissions: 0o400)
                }
            }
            for one in cases { try one.check(in: store, canary) }
        }
    }

    /// All names in the store's root but its database's, without the numbers that layers have.
    fileprivate func names() throws -> [String] {
        try runCommand("find", [command.root.string, "-not", "-name", "graph.db*"])
            .split(separator: "\n")
            .map { String($0).replacing(/[0-9]+/, with: "N") }.sorted()
    }
}

/// What lies outside of a layer under the names that an archive uses.
private struct OutsidePlaces {
    private var before: [FilePath: FileStatus?] = [:]

    init(of archive: [Sketch], _ store: BadInputStore) throws {
        let root = store.command.root
        let bases: [FilePath] = [
            "/", root, root.removingLastComponent(),
            root.removingLastComponent().removingLastComponent(),
            root.appending(store.command.driver),
        ]
        for path in archive.flatMap({ [$0.name, $0.target ?? ""] }) {
            let names = path.split(separator: "/").filter { $0 != "." && $0 != ".." }
            for count in 1...max(names.count, 1) {
                for base in bases {
                    let place = base.pushing(
                        FilePath(names.prefix(count).joined(separator: "/")))
                    before[place] = .some(Self.status(of: place))
                }
            }
        }
    }

    /// nil where there is nothing.
    private static func status(of place: FilePath) -> FileStatus? {
        try? FileStatus(of: place)
    }

    /// The places that are not as they were; of directories what is in them does not count.
    func touched() throws -> [String] {
        before.filter { place, old in
            let new = Self.status(of: place)
            if let new, let old, new.type == .directory {
                return new.identity != old.identity || new.permissions != old.permissions
                    || new.uid != old.uid || new.gid != old.gid
            }
            return new != old
        }.keys.map(\.string).sorted()
    }
}
