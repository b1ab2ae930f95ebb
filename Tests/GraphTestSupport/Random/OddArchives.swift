// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphSystem

/// Layers, one upon the other, with what is odd in archives of other tools: names spelled in all ways,
/// attributes of hosts, overlays and other systems, devices 0:0, times beyond what filesystems hold.
///
/// Other tools unpack them as well: what they refuse or decide by the order of members is not among it.
package struct OddArchives {
    private var random: SeededGenerator
    /// What there is: whether each path is a directory.
    private var tree: [RawPath: Bool] = [:]

    /// Starts from a seed.
    package init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    private static let names: [RawPath] = [
        "a", "b", "c", "d.e", "\u{e9}", ".wh", "..x", "x..", "...",
    ]

    /// The next layer.
    package mutating func next() -> [LayerMember] {
        var members: [LayerMember] = []
        var own: Set<RawPath> = []
        for _ in 0..<Int.random(in: 0...3, using: &random) { delete(&members, &own) }
        for _ in 0..<Int.random(in: 3...12, using: &random) { add(&members, &own) }
        return members
    }

    /// Deletes something that the layer does not name otherwise.
    private mutating func delete(_ members: inout [LayerMember], _ own: inout Set<RawPath>) {
        let paths = tree.keys.sorted().filter { path in
            !own.contains { path.hasPrefix($0) || $0.hasPrefix(path) }
        }
        guard let path = paths.randomElement(using: &random), let name = path.components.last,
            name != ".wh"
        else { return }
        own.insert(path)
        let parent = RawPath(joining: path.components.dropLast())
        if tree[path] == true && random.chance(40) {
            members.append(LayerMember(entry(path, .directory)))
            forget(below: path)
            members.append(marker(path.appending(".wh..wh..opq")))
        } else {
            forget(below: path)
            tree[path] = nil
            members.append(marker(parent.appending(RawPath(".wh.").joined(name))))
        }
    }

    private mutating func marker(_ path: RawPath) -> LayerMember {
        LayerMember(ArchiveEntry(path: spelled(path), kind: .file(size: 0), permissions: 0o644))
    }

    private mutating func forget(below path: RawPath) {
        let prefix = path.appending("")
        for key in tree.keys where key.hasPrefix(prefix) { tree[key] = nil }
    }

    private mutating func add(_ members: inout [LayerMember], _ own: inout Set<RawPath>) {
        let directories = [""] + tree.filter(\.value).keys.sorted()
        guard let parent = directories.randomElement(using: &random),
            let name = Self.names.randomElement(using: &random), parent.components.count < 4
        else { return }
        let path = parent.appending(name)
        // Nothing of the layer's own is replaced, nor what it is in.
        if own.contains(where: { $0 == path || $0.hasPrefix(path.appending("")) }) { return }
        let kind = kind(members)
        own.insert(path)
        if kind != .directory || tree[path] != true { forget(below: path) }
        tree[path] = kind == .directory
        let content =
            if case .file = kind {
                [UInt8](repeating: UInt8.random(in: 0...255, using: &random), count: 5)
            } else { [] as [UInt8] }
        members.append(LayerMember(entry(path, kind), content: content))
    }

    private mutating func kind(_ members: [LayerMember]) -> ArchiveEntry.Kind {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<35: return .file(size: 0)
        case 35..<65: return .directory
        case 65..<72: return .symbolicLink(target: random.chance(50) ? "../a/.." : "/nowhere")
        case 72..<77: return .fifo
        case 77..<82: return .characterDevice(DeviceNumber(major: 1, minor: 3))
        case 82..<88: return .characterDevice(.zero)
        default:
            let files = members.filter {
                switch $0.entry.kind {
                case .file: $0.content != []
                case .characterDevice(let device): device == .zero
                default: false
                }
            }
            guard let target = files.randomElement(using: &random)?.entry.path else { return .fifo }
            return .hardLink(target: target)
        }
    }

    /// One of the ways to write a path.
    private mutating func spelled(_ path: RawPath) -> RawPath {
        switch Int.random(in: 0..<12, using: &random) {
        case 0: RawPath("./").joined(path)
        case 1: RawPath("/").joined(path)
        case 2: RawPath("../").joined(path)
        case 3: RawPath("nowhere/../").joined(path)
        case 4: RawPath("nowhere/./more/../..//").joined(path)
        case 5: RawPath("./../../").joined(path)
        default: path
        }
    }

    private mutating func entry(_ path: RawPath, _ kind: ArchiveEntry.Kind) -> ArchiveEntry {
        var attributes: [ExtendedAttribute] = []
        switch kind {
        case .file, .directory:
            for key in Self.attributes where random.chance(12) {
                let value = UInt8.random(in: 0...9, using: &random)
                attributes.append(ExtendedAttribute(name: key, value: [3, value, value]))
            }
        default: break
        }
        let seconds =
            random.chance(85)
            ? Int64.random(in: -2_000_000_000...5_000_000_000, using: &random)
            : random.chance(50) ? -3_000_000_000 : 253_402_300_799
        return ArchiveEntry(
            path: spelled(path), kind: kind,
            permissions: [0o644, 0o755, 0o4711, 0].randomElement(using: &random) ?? 0,
            uid: UInt32.random(in: 0...3, using: &random),
            gid: UInt32.random(in: 0...3, using: &random),
            modified: Timestamp(seconds: seconds), attributes: attributes.sorted())
    }

    private static let attributes = [
        "user.a", "trusted.b", "security.ima", "com.apple.quarantine", "system.nfs4_acl",
        "security.selinux", "trusted.overlay.opaque", "trusted.overlay.redirect",
        "user.overlay.impure", "trusted.overlay.overlay.opaque", "user.overlay.overlay.x",
        "trusted.graph-stage.opaque",
    ]
}

extension TreeSnapshot {
    /// What a tool that keeps everything has made, as docs/formats/archives.md says that it is kept here,
    /// below an overlay or not; without the root and the times of directories, which tools give as they
    /// like.
    package func underPolicy(ofOverlay isOverlay: Bool) -> TreeSnapshot {
        var tree = self
        tree.entries["."] = nil
        // What the kernel makes of times that ext4 and btrfs do not hold alike.
        let held: ClosedRange<Int64> = -2_147_483_647...15_032_385_534
        for (path, var entry) in tree.entries {
            if isOverlay && entry.status.isWhiteoutDevice {
                tree.entries[path] = nil
                continue
            }
            if !held.contains(entry.status.modified.seconds) {
                entry.status.modified = Timestamp(seconds: 0)
            }
            entry.attributes = entry.attributes.compactMap { attribute in
                switch AttributeTable.owner(of: attribute.name) {
                case .host, .alias: return nil
                case .layer: return attribute
                case .overlay:
                    let own = OverlayNamespace(of: attribute.name)?.unescaped(attribute.name)
                    return own.map { ExtendedAttribute(name: $0, value: attribute.value) }
                }
            }.sorted()
            tree.entries[path] = entry
        }
        return tree
    }
}
