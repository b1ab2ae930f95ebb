// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphSystem

/// Layer tars as tools of all kinds make them, one upon the other, at random: with and without members for
/// directories, with one time for all, with files of one size, with names that come twice, hard links to
/// files of the parents, links on the way, sparse members, whiteouts and opaque marks.
///
/// Some name what is not there, and are no layers.
package struct RandomArchives {
    private var random: SeededGenerator
    private let isUnprivileged: Bool
    /// What the archives so far have named, as far as it is known without unpacking them.
    private var files: [RawPath] = []
    private var directories: [RawPath] = [""]

    /// Starts from a seed.
    package init(seed: UInt64, isUnprivileged: Bool = false) {
        random = SeededGenerator(seed: seed)
        self.isUnprivileged = isUnprivileged
    }

    /// How one archive is written.
    private struct Style {
        let namesDirectories: Bool
        let time: Timestamp?
        let size: Int?
    }

    private static let names: [RawPath] = ["a", "b", "c", "d.e", "\u{e9}"]

    /// The next archive.
    package mutating func next() throws -> [UInt8] {
        let style = Style(
            namesDirectories: random.chance(40),
            time: random.chance(60) ? Timestamp(seconds: random.chance(60) ? 0 : 7) : nil,
            size: random.chance(50) ? 10 : nil)
        var tar: [UInt8] = []
        var own: [RawPath] = []
        for _ in 0..<Int.random(in: 1...14, using: &random) {
            tar += try member(&own, style)
        }
        return tar + [UInt8](repeating: 0, count: 1_024)
    }

    private mutating func member(
        _ own: inout [RawPath], _ style: Style
    ) throws -> [UInt8] {
        var tar: [UInt8] = []
        let directory = directories.randomElement(using: &random) ?? ""
        if style.namesDirectories && !directory.isEmpty && random.chance(50) {
            tar += try bytes(directory, .directory, style)
        }
        var path = directory.appending(name())
        if random.chance(12), let again = own.randomElement(using: &random) { path = again }
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<44:
            files.append(path)
            own.append(path)
            return tar + (try bytes(path, .file(size: 0), style, content(style)))
        case 44..<52:
            files.append(path)
            own.append(path)
            return tar + sparse(path, style)
        case 52..<62:
            if path.components.count < 4 { directories.append(path) }
            return tar + (try bytes(path, .directory, style))
        case 62..<67:
            let target = (["a", "b", "../c", "/a/b", "nowhere"] as [RawPath])
                .randomElement(using: &random)
            return tar + (try bytes(path, .symbolicLink(target: target ?? "a"), style))
        case 67..<84:
            // Of this archive, or of one below.
            let some = random.chance(50) && !own.isEmpty ? own : files
            guard let target = some.randomElement(using: &random), target != path else {
                return tar
            }
            files.append(path)
            own.append(path)
            return tar + (try bytes(path, .hardLink(target: target), style))
        case 84..<88: return tar + (try bytes(path, device(), style))
        case 88..<91: return tar + (try bytes(path, .fifo, style))
        case 91..<97:
            let victim = (random.chance(70) ? files : directories).randomElement(using: &random)
            guard let names = victim?.components, let name = names.last else { return tar }
            let directory = RawPath(joining: Array(names.dropLast()))
            return tar
                + (try bytes(
                    directory.appending(RawPath(".wh.").joined(name)), .file(size: 0), style))
        default:
            return tar + (try bytes(directory.appending(".wh..wh..opq"), .file(size: 0), style))
        }
    }

    private mutating func name() -> RawPath { Self.names.randomElement(using: &random) ?? "a" }

    private mutating func device() -> ArchiveEntry.Kind {
        if isUnprivileged { return .fifo }
        let device = DeviceNumber(major: 1, minor: UInt32.random(in: 1...9, using: &random))
        return random.chance(50) ? .characterDevice(device) : .blockDevice(device)
    }

    private mutating func time(_ style: Style) -> Timestamp {
        style.time
            ?? Timestamp(
                seconds: Int64.random(in: 0...1_000_000_000, using: &random),
                nanoseconds: random.chance(50) ? UInt32.random(in: 0..<1_000, using: &random) : 0)
    }

    private mutating func content(_ style: Style) -> [UInt8] {
        let size =
            style.size ?? [0, 1, 10, 4_096, 5_000, 70_000].randomElement(using: &random) ?? 1
        let byte = random.chance(15) ? 0 : UInt8.random(in: 1...255, using: &random)
        return [UInt8](repeating: byte, count: size)
    }

    private mutating func bytes(
        _ path: RawPath, _ kind: ArchiveEntry.Kind, _ style: Style, _ content: [UInt8] = []
    ) throws -> [UInt8] {
        var attributes: [ExtendedAttribute] = []
        switch kind {
        case .file, .directory:
            if random.chance(12) {
                attributes = [ExtendedAttribute(name: "user.mark", value: Array("value".utf8))]
            }
        default: break
        }
        let entry = ArchiveEntry(
            path: path, kind: kind,
            permissions: [0o644, 0o755, 0o600, 0o4755].randomElement(using: &random) ?? 0o644,
            uid: UInt32.random(in: 0...2, using: &random),
            gid: UInt32.random(in: 0...2, using: &random),
            modified: time(style), attributes: attributes)
        return Array(try LayerTar.bytes(of: [LayerMember(entry, content: content)]).dropLast(1_024))
    }

    /// A sparse file as GNU tar writes it in the POSIX format (version 0.1): often with a hole at its end,
    /// and now and then with no data at all.
    private mutating func sparse(_ path: RawPath, _ style: Style) -> [UInt8] {
        var map: [(offset: Int, count: Int)] = []
        var end = 0
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            end += [0, 512, 4_096, 20_000].randomElement(using: &random) ?? 0
            let count = [1, 512, 5_000].randomElement(using: &random) ?? 1
            map.append((end, count))
            end += count
        }
        let size = max(end + ([0, 100, 9_000].randomElement(using: &random) ?? 0), 1)
        // The end of the last hole, as GNU tar tells it.
        map.append((size, 0))
        let text = map.map { "\($0.offset),\($0.count)" }.joined(separator: ",")
        let records = [
            ("GNU.sparse.size", "\(size)"), ("GNU.sparse.numblocks", "\(map.count)"),
            ("GNU.sparse.map", text),
        ]
        let extended = records.map { Self.record($0.0, $0.1) }.reduce([], +)
        let byte = UInt8.random(in: 1...255, using: &random)
        let data = [UInt8](repeating: byte, count: map.map(\.count).reduce(0, +))
        let seconds = Int(time(style).seconds)
        return Self.header("PaxHeaders/x", "x", extended.count, 0) + Self.padded(extended)
            + Self.header(path, "0", data.count, seconds) + Self.padded(data)
    }

    private static func record(_ key: String, _ value: String) -> [UInt8] {
        let rest = " \(key)=\(value)\n".utf8.count
        var count = rest + 1
        while "\(count)".utf8.count + rest != count { count += 1 }
        return Array("\(count) \(key)=\(value)\n".utf8)
    }

    private static func padded(_ bytes: [UInt8]) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
    }

    private static func header(
        _ path: RawPath, _ type: Character, _ size: Int, _ seconds: Int
    ) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ bytes: some Collection<UInt8>, _ offset: Int) {
            for (index, byte) in bytes.enumerated() { block[offset + index] = byte }
        }
        func octal(_ number: Int, _ digits: Int) -> [UInt8] {
            let text = String(number, radix: 8)
            return Array((String(repeating: "0", count: digits - text.utf8.count) + text).utf8)
        }
        put(path.bytes, 0)
        put(octal(0o640, 7), 100)
        put(octal(1, 7), 108)
        put(octal(2, 7), 116)
        put(octal(size, 11), 124)
        put(octal(seconds, 11), 136)
        put([UInt8](repeating: 32, count: 8), 148)
        put(Array(String(type).utf8), 156)
        put(Array("ustar\u{0}00".utf8), 257)
        put(octal(block.reduce(0) { $0 + Int($1) }, 6) + [0, 32], 148)
        return block
    }
}
