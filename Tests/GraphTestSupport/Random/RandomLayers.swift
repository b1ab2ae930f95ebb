// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphSystem

/// Makes layers that collide: few names, so that files, directories and links replace each other,
/// and deletions meet what they delete, in any order.
package struct RandomLayers {
    private var random: SeededGenerator
    /// What the layers made so far amount to.
    package private(set) var model = ReferenceModel()
    /// Leaves out what an unprivileged user namespace cannot make.
    private let isUnprivileged: Bool

    /// Starts from a seed.
    package init(seed: UInt64, isUnprivileged: Bool = false) {
        random = SeededGenerator(seed: seed)
        self.isUnprivileged = isUnprivileged
    }

    /// The next layer.
    ///
    /// ``model`` has it on top afterwards.
    package mutating func next() -> [LayerMember] {
        var deletions: [LayerMember] = []
        var members: [LayerMember] = []
        // What this layer names, so that every member has its parents in front of it.
        var own: [RawPath: ArchiveEntry.Kind] = [:]
        // Deletions first, since members below a deleted directory must name it.
        var deleted: Set<RawPath> = []
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            guard let victim = model.nodes.keys.sorted().randomElement(using: &random) else {
                break
            }
            let names = victim.components
            let parent = names.dropLast().reduce("" as RawPath) { $0.appending($1) }
            if case .directory = model.nodes[victim]?.entry.kind, random.chance(35) {
                deletions.append(deletion(victim.appending(".wh..wh..opq")))
                deleted.insert(victim.appending(""))
            } else if let name = names.last {
                deletions.append(deletion(parent.appending(RawPath(".wh.").joined(name))))
                deleted.insert(victim)
            }
        }
        for _ in 0..<Int.random(in: 1...10, using: &random) {
            addMember(&members, &own, deleted)
        }
        for deletion in deletions {
            members.insert(deletion, at: Int.random(in: 0...members.count, using: &random))
        }
        model.apply(members)
        return members
    }

    private func deletion(_ path: RawPath) -> LayerMember {
        LayerMember(ArchiveEntry(path: path, kind: .file(size: 0), permissions: 0o644))
    }

    private mutating func addMember(
        _ members: inout [LayerMember], _ own: inout [RawPath: ArchiveEntry.Kind],
        _ deleted: Set<RawPath>
    ) {
        var path: RawPath = ""
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            path = path.appending(randomName())
            // A parent need not be named when the layers below have the directory.
            let known: Bool
            switch own[path] {
            case .some(.directory): continue
            case .some: return  // this layer has something else there
            case nil:
                // An opaque directory stands here with a slash at its end: it is not hidden itself.
                let isHidden = deleted.contains {
                    path == $0 || path.hasPrefix($0.bytes.last == 47 ? $0 : $0.appending(""))
                }
                if case .directory = model.nodes[path]?.entry.kind {
                    known = !isHidden
                } else {
                    known = false
                }
            }
            if known && random.chance(60) && parentsAreUnnamed(path, own) { continue }
            own[path] = .directory
            members.append(LayerMember(randomEntry(path, .directory)))
        }
        path = path.appending(randomName())
        let below = path.appending("")
        if own[path] != nil || own.keys.contains(where: { $0.hasPrefix(below) }) { return }
        let kind = randomKind(own)
        own[path] = kind
        var content: [UInt8] = []
        if case .file = kind { content = randomContent() }
        members.append(LayerMember(randomEntry(path, kind), content: content))
    }

    /// Whether every directory on the way is as the layers below have it.
    private func parentsAreUnnamed(_ path: RawPath, _ own: [RawPath: ArchiveEntry.Kind]) -> Bool {
        var way: RawPath = ""
        for name in path.components.dropLast() {
            way = way.appending(name)
            guard case .directory = model.nodes[way]?.entry.kind else { return false }
        }
        return true
    }

    private mutating func randomName() -> RawPath {
        (["a", "b", "c", "d.e", "é"] as [RawPath]).randomElement(using: &random) ?? "a"
    }

    private mutating func randomKind(
        _ own: [RawPath: ArchiveEntry.Kind]
    ) -> ArchiveEntry.Kind {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<40: return .file(size: 0)
        case 40..<65: return .directory
        case 65..<77:
            return .symbolicLink(
                target: ["nowhere", "../a", "/b"].randomElement(using: &random) ?? "a")
        case 77..<82: return .fifo
        case 82..<86 where !isUnprivileged:
            return .characterDevice(
                DeviceNumber(major: 1, minor: UInt32.random(in: 1...9, using: &random)))
        default:
            // A further name for a file that this layer has already named.
            let files = own.filter { if case .file = $0.value { true } else { false } }.keys
                .sorted()
            guard let target = files.randomElement(using: &random) else { return .file(size: 0) }
            return .hardLink(target: target)
        }
    }

    private mutating func randomEntry(
        _ path: RawPath, _ kind: ArchiveEntry.Kind
    ) -> ArchiveEntry {
        var attributes: [ExtendedAttribute] = []
        if case .symbolicLink = kind {
            // user.* is for files and directories.
        } else if random.chance(15) {
            switch kind {
            case .file, .directory:
                // ext4 has room for one block of attributes.
                let value = Array(randomContent().prefix(1_000))
                attributes = [ExtendedAttribute(name: "user.mark", value: value)]
            default: break
            }
        }
        let nanoseconds =
            random.chance(50) ? UInt32.random(in: 0..<1_000_000_000, using: &random) : 0
        return ArchiveEntry(
            path: path, kind: kind,
            permissions: [0o644, 0o755, 0o600, 0o4755, 0o1777, 0o2750].randomElement(using: &random)
                ?? 0,
            uid: UInt32.random(in: 0...3, using: &random),
            gid: UInt32.random(in: 0...3, using: &random),
            modified: Timestamp(
                seconds: Int64.random(in: 1...2_000_000_000, using: &random),
                nanoseconds: nanoseconds),
            attributes: attributes)
    }

    private mutating func randomContent() -> [UInt8] {
        let count = [0, 1, 7, 100, 5_000].randomElement(using: &random) ?? 0
        // Repeated bytes, now and then zeros, which may become holes.
        let byte = random.chance(30) ? 0 : UInt8.random(in: 1...255, using: &random)
        return [UInt8](repeating: byte, count: count)
    }
}
