// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
package import GraphSystem

/// Makes layers whose directories lie 1 to 300 deep: named before what is in them, after it, or not at
/// all; with hard links from one end of the tree to the other, and names that come several times.
///
/// Works out what time each name must have in the end, which is what unpacking in a directory spoils.
package struct DeepLayers {
    private var random: SeededGenerator
    /// The time of each path in the layers made so far.
    package private(set) var times: [RawPath: Timestamp] = [:]
    /// The paths of directories and of files among them.
    private var directories: Set<RawPath> = []
    private var files: Set<RawPath> = []
    /// Ways to directories, most of which share their beginnings with others.
    private var ways: [[RawPath]] = []
    private var memberCount = 0

    /// Starts from a seed.
    package init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        for _ in 0..<Int.random(in: 2...5, using: &random) { addWay() }
    }

    private mutating func addWay() {
        let depth = Int.random(in: 1...300, using: &random)
        var way = ways.randomElement(using: &random) ?? []
        way.removeLast(Int.random(in: 0...way.count, using: &random))
        while way.count < depth {
            way.append((["a", "b", "cc", "d.e"] as [RawPath]).randomElement(using: &random) ?? "a")
        }
        ways.append(Array(way.prefix(depth)))
    }

    /// The next layer.
    package mutating func next() -> [LayerMember] {
        var members: [LayerMember] = []
        var deleted: Set<RawPath> = []
        // Whole directories and files of the layer below; nothing of this layer goes into them.
        for victim in (directories.union(files)).sorted() where random.chance(1) {
            if !directories.contains(victim) && random.chance(50) { continue }
            let way = victim.components
            let name = RawPath(".wh.").joined(way[way.count - 1])
            members.append(member(RawPath(joining: way.dropLast()).appending(name), .file(size: 0)))
            deleted.insert(victim)
        }
        for path in deleted { remove(path) }
        for _ in 0..<Int.random(in: 10...40, using: &random) {
            guard let made = nextMember(deleted) else { continue }
            members.append(made)
        }
        // Deletions mean what is below the layer wherever they stand.
        let deletions = members.prefix(deleted.count)
        members.removeFirst(deleted.count)
        for deletion in deletions {
            members.insert(deletion, at: Int.random(in: 0...members.count, using: &random))
        }
        return members
    }

    private mutating func nextMember(_ deleted: Set<RawPath>) -> LayerMember? {
        guard var way = ways.randomElement(using: &random) else { return nil }
        if random.chance(40) { way.removeLast(Int.random(in: 0..<way.count, using: &random)) }
        let directory = RawPath(joining: way)
        let isGone = deleted.contains { directory == $0 || directory.hasPrefix($0.appending("")) }
        if isGone || hasFileOnWay(way) { return nil }
        memberCount += 1
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<30:
            let made = member(directory, .directory)
            makeDirectories(Array(way.dropLast()), made.entry.modified)
            directories.insert(directory)
            times[directory] = made.entry.modified
            return made
        case 30..<60:
            // A few names, so that some come again.
            let path = directory.appending(RawPath("f\(Int.random(in: 0..<4, using: &random))"))
            if isDeleted(path, deleted) { return nil }
            return put(member(path, .file(size: 0)), in: way)
        default:
            let path = directory.appending(RawPath("l\(memberCount)"))
            let targets = files.filter { !isDeleted($0, deleted) }.sorted()
            guard let target = targets.randomElement(using: &random), let time = times[target]
            else { return nil }
            let made = put(member(path, .hardLink(target: target)), in: way)
            times[path] = time
            return made
        }
    }

    private func isDeleted(_ path: RawPath, _ deleted: Set<RawPath>) -> Bool {
        deleted.contains { path == $0 || path.hasPrefix($0.appending("")) }
    }

    private func hasFileOnWay(_ way: [RawPath]) -> Bool {
        var path: RawPath = ""
        for name in way {
            path = path.appending(name)
            if files.contains(path) { return true }
        }
        return false
    }

    private mutating func put(_ made: LayerMember, in way: [RawPath]) -> LayerMember {
        makeDirectories(way, made.entry.modified)
        files.insert(made.entry.path)
        times[made.entry.path] = made.entry.modified
        return made
    }

    /// Directories that nobody has named get the time of what is put into them first.
    private mutating func makeDirectories(_ way: [RawPath], _ time: Timestamp) {
        var path: RawPath = ""
        for name in way {
            path = path.appending(name)
            if directories.insert(path).inserted { times[path] = time }
        }
    }

    private mutating func remove(_ path: RawPath) {
        let prefix = path.appending("")
        for gone in directories.union(files) where gone == path || gone.hasPrefix(prefix) {
            directories.remove(gone)
            files.remove(gone)
            times[gone] = nil
        }
    }

    private mutating func member(_ path: RawPath, _ kind: ArchiveEntry.Kind) -> LayerMember {
        let seconds = Int64.random(in: 1...1_500_000_000, using: &random)
        return LayerMember(
            ArchiveEntry(
                path: path, kind: kind, permissions: kind == .directory ? 0o755 : 0o644,
                modified: Timestamp(seconds: seconds, nanoseconds: UInt32(memberCount))))
    }
}
