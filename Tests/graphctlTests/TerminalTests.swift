// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Nothing that a terminal obeys comes from a layer, a label, an image or an error.
@Suite(.usable("overlay")) struct TerminalTests {
    /// Pieces of names: what is obeyed, and what looks like a part of it.
    private static let pieces: [[UInt8]] =
        [
            "\u{1B}[31m", "\u{1B}]0;title\u{07}", "\u{7F}", "\u{80}", "\u{85}", "\u{9B}31m",
            "\u{9D}0;t\u{9C}", "\u{61C}", "\u{200E}", "\u{200F}", "\u{202A}", "\u{202E}gnp.exe",
            "\u{2066}", "\u{2069}", "\u{206A}", "\u{2028}", "\u{2029}", "\r", "\n", "\t", "\u{8}",
            "plain", "\\", "\"", "é", "日本", "🛠", "\u{A0}",
        ].map { Array($0.utf8) } + [
            [0x9B], [0xFF], [0xE2, 0x80], [0xC2], [0xF0, 0x9F], [0xED, 0xA0, 0x80],
        ]

    private static func name(_ random: inout SeededGenerator, isText: Bool) -> [UInt8] {
        let usable = isText ? Array(pieces.prefix(28)) : pieces
        return (0..<Int.random(in: 1...6, using: &random)).flatMap { _ in
            usable.randomElement(using: &random) ?? []
        }
    }

    /// What is wrong with an output: all of it UTF-8, nothing in it obeyed but ends of lines.
    private static func fault(in bytes: [UInt8]) -> String? {
        guard let text = String(validating: bytes, as: UTF8.self) else { return "not UTF-8" }
        return text.unicodeScalars.first { scalar in
            if scalar == "\n" { return false }
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator: return true
            default:
                return scalar.properties.isBidiControl || (0x206A...0x206F).contains(scalar.value)
            }
        }.map { "U+" + String($0.value, radix: 16) }
    }

    /// A shell's word for bytes.
    private static func word(_ bytes: [UInt8]) -> String {
        "$'" + bytes.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "'"
    }

    /// Each line is one command; those of `setting` have to succeed.
    private static let setting = """
        apply --id base --label KEY=TEXT layer.tar
        create --id box --parent base --label name=TEXT
        label box KEY=TEXT
        mount box
        import image.tar
        """
    private static let verbs = """
        ls
        ls --no-trunc
        ls --filter KEY
        tree
        tree --no-trunc
        inspect box
        info
        df
        usage box
        changes base
        changes box
        check --deep
        diff box -o out.tar
        diff box -o TEXT/none
        create --id TEXT
        create --parent base --copy-up TEXT
        create --label =TEXT
        commit TEXT
        rm TEXT
        view --parent TEXT
        mount box TEXT
        unmount TEXT
        unmount ./TEXT
        apply TEXT
        apply damaged.tar
        apply --diff-id TEXT layer.tar
        apply broken.tar
        import TEXT
        import damaged.tar
        import --name TEXT several.tar
        import several.tar
        --driver TEXT probe
        --storage-opt TEXT=TEXT ls
        --root TEXT ls
        --root image.tar/TEXT ls
        --log-level TEXT ls
        TEXT
        gc
        unmount box
        """

    @Test(arguments: SeededGenerator.isSoak ? Array(0..<50) : [0])
    func `no control or mark of direction reaches a terminal from any command`(
        _ round: Int
    ) throws {
        var random = SeededGenerator(seed: SeededGenerator.runSeed &+ UInt64(round))
        try CommandRunner.with { graphctl in
            try Self.makeSources(graphctl, &random)
            let place = graphctl.directory
            for (lines, mustSucceed) in [(Self.setting, true), (Self.verbs, false)] {
                for line in lines.split(separator: "\n") {
                    for flag in ["", " --json"] where flag.isEmpty || !mustSucceed {
                        let text = Self.word(Self.name(&random, isText: true))
                        let key = Self.word(Self.name(&random, isText: true))
                        let command =
                            line.replacingOccurrences(of: "TEXT", with: text)
                            .replacingOccurrences(of: "KEY", with: key) + flag
                        let status = try graphctl.shell("graphctl \(command) >so 2>se").status
                        #expect(!mustSucceed || status == 0, "\(command)")
                        for name in ["so", "se"] {
                            let bytes = try OwnedDescriptor.open(place.appending(name), .readOnly)
                                .readAll(limit: 1 << 24)
                            let fault = Self.fault(in: bytes)
                            #expect(fault == nil, "\(command): \(name) has \(fault ?? "")")
                        }
                    }
                    if line == "mount box" { try Self.change(graphctl, &random) }
                }
            }
        }
    }

    /// Archives with such names: a layer, a damaged one, one that cannot be unpacked, and images.
    private static func makeSources(
        _ graphctl: CommandRunner, _ random: inout SeededGenerator
    ) throws {
        func member(_ name: [UInt8], _ kind: ArchiveEntry.Kind) throws -> LayerMember {
            let path = try #require(RawPath(validating: name.filter { $0 != UInt8(ascii: "/") }))
            return LayerMember(ArchiveEntry(path: path, kind: kind, permissions: 0o755))
        }
        func write(_ name: String, _ bytes: [UInt8]) throws {
            try Data(bytes).write(
                to: URL(fileURLWithPath: graphctl.directory.appending(name).string))
        }
        let names = (0..<20).map { _ in Self.name(&random, isText: false) }
        let layer = try LayerTar.bytes(of: try names.map { try member($0, .file(size: 0)) })
        try write("layer.tar", layer)
        // A second header that is none, behind a name.
        try write("damaged.tar", Array(layer.prefix(1536)) + [UInt8](repeating: 0x9B, count: 4096))
        let missing = try #require(RawPath(validating: Self.name(&random, isText: false)))
        try write(
            "broken.tar",
            try LayerTar.bytes(of: [try member(names[0], .hardLink(target: missing))]))
        for (name, count) in [("image.tar", 1), ("several.tar", 30)] {
            let images = (0..<count).map { _ in Self.word(Self.name(&random, isText: true)) }
            let made = try graphctl.shell(
                """
                set -e; mkdir "\(name).d"; cd "\(name).d"; cp ../layer.tar .
                digest=sha256:$(sha256sum <layer.tar | cut -c 1-64)
                jq -n --arg d $digest '{architecture: "amd64", os: "linux", rootfs: {type: "layers", diff_ids: [$d]}}' >c.json
                for name in \(images.joined(separator: " ")); do
                    jq -n --arg t "$name" '{Config: "c.json", RepoTags: [$t], Layers: ["layer.tar"]}'
                done | jq -s . >manifest.json
                tar -cf ../\(name) manifest.json c.json layer.tar
                """)
            #expect(made.status == 0, "\(made.error)")
        }
    }

    /// Makes files of such names in the mounted layer.
    private static func change(
        _ graphctl: CommandRunner, _ random: inout SeededGenerator
    ) throws {
        let words = (0..<20).map { _ in
            word(name(&random, isText: false).filter { $0 != UInt8(ascii: "/") })
        }
        let made = try graphctl.shell(
            "cd run/mnt/* && for name in \(words.joined(separator: " ")); do touch -- \"./$name\"; done"
        )
        #expect(made.status == 0, "\(made.error)")
    }
}
