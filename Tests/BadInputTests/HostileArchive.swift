// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphTestSupport
import SystemPackage
import Testing

/// An archive made to take memory and time.
struct HostileArchive: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// What the line must say with which it is refused; nil when it is a layer.
    var refusal: String?
    /// The words of the lines with which it is warned of, one a line.
    var warnings: [[String]] = []
    let write: @Sendable (RawTar) throws -> Void
    /// Makes the file of what was written, where that is not the tar itself.
    var pack: (@Sendable (_ tar: FilePath, _ packed: FilePath) throws -> Void)?

    /// More of everything in the long run.
    private static let scale = SeededGenerator.isSoak ? 6 : 1
    /// The longest way that Linux takes in one call has so many names.
    private static let deep = String(repeating: "d/", count: 2_000)

    private static func addFile(_ tar: RawTar, _ path: String, _ content: [UInt8] = []) throws {
        try tar.addRecords([("path", Array(path.utf8))])
        try tar.add("name", content: content)
    }

    static let all: [HostileArchive] = [
        HostileArchive(testDescription: "long deletions in directories that are nowhere") { tar in
            for index in 0..<(17_000 * scale) {
                try addFile(tar, "\(index)/\(deep).wh.gone")
            }
        },
        HostileArchive(testDescription: "two ways down two thousand directories in turn") { tar in
            for index in 0..<(8 * scale) {
                try addFile(tar, "\(index % 2)/\(deep)\(index)")
            }
        },
        HostileArchive(testDescription: "a way down two thousand directories, each hiding all") {
            tar in
            for index in 1...2_000 {
                try addFile(tar, String(repeating: "d/", count: index) + ".wh..wh..opq")
            }
            try addFile(tar, deep + "file")
        },
        HostileArchive(
            testDescription: "links that lead deeper than Linux takes paths",
            refusal: "longer than 4095 bytes"
        ) { tar in
            try addFile(tar, deep + "file")
            try tar.addRecords([("linkpath", Array(deep.dropLast().utf8))])
            try tar.add("down", type: "2")
            try addFile(tar, "down/" + deep.dropLast(20) + "file")
        },
        HostileArchive(testDescription: "a file of terabytes of nothing, replaced") { tar in
            for _ in 0..<3 {
                try tar.addRecords([
                    ("GNU.sparse.size", Array("4398046511104".utf8)),
                    ("GNU.sparse.numblocks", Array("0".utf8)), ("GNU.sparse.map", []),
                ])
                try tar.add("same")
            }
            try tar.add("same", content: [1])
        },
        HostileArchive(
            testDescription: "very many attributes in headers for all members",
            refusal: "global attributes"
        ) { tar in
            for index in 0..<(20_000 * scale) {
                try tar.addRecords([("SCHILY.xattr.user.\(index)", [1])], type: "g")
            }
            try tar.add("file")
        },
        HostileArchive(
            testDescription: "very many empty gzip streams",
            write: { _ in },
            pack: { tar, packed in
                let script =
                    #"gzip -c </dev/null >"$0"; for i in $(seq 17); do cat "$0" "$0" >"$1"; "#
                    + #"mv "$1" "$0"; done; mv "$0" "$1""#
                try runCommand("bash", ["-c", script, tar.string, packed.string])
            }),
        HostileArchive(
            testDescription: "half a gigabyte of zeros in a name that is ignored",
            warnings: [["AUFS", ": 1, first /.wh..wh.plnk"]],
            write: { try $0.add(".wh..wh.plnk", size: 1 << 29) },
            pack: { tar, packed in
                // What was written ends with the header and an end marker, which is cut off.
                let script = #"{ head -c 512 "$0"; head -c 536871936 /dev/zero; } | gzip -1 >"$1""#
                try runCommand("bash", ["-c", script, tar.string, packed.string])
            }),
    ]

    /// Makes the archive.
    func make(at path: FilePath) throws {
        guard let pack else { return try RawTar.write(path, write) }
        let tar = FilePath(path.string + ".plain")
        try RawTar.write(tar, write)
        try pack(tar, path)
        if try tar.exists { try tar.remove() }
    }
}
