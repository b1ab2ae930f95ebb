// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// How a tree differs from another, sorted by the bytes of the paths.
///
/// Holds names and no paths, which are made one after the other while they are asked for: those of a
/// deep tree would take memory that grows with the square of its depth.
public struct ChangeList: Sequence, Sendable {
    /// A name that differs, or that leads to such.
    fileprivate struct Item {
        let name: RawPath
        let kind: Change.Kind
        /// Which directory it is; nil if nothing below it is listed.
        var directory: Int?
    }

    /// What is listed of each directory, sorted by name; the root first.
    private let directories: [[Item]]
    /// How many changes there are.
    public let count: Int

    public func makeIterator() -> Iterator { Iterator(directories) }

    /// Makes the paths of a list one after the other.
    public struct Iterator: IteratorProtocol {
        /// A directory on the way down.
        private struct Level {
            let items: [Item]
            /// Bytes of its path.
            let pathBytes: Int
            var position = 0
            /// Directories that were told, and are to be gone down into.
            ///
            /// What is below `a` comes behind `a-`, since a slash is behind a hyphen.
            var waiting: [Item] = []
        }

        private let directories: [[Item]]
        private var levels: [Level]
        private var path: [UInt8] = []

        fileprivate init(_ directories: [[Item]]) {
            self.directories = directories
            levels = [Level(items: directories[0], pathBytes: 0)]
        }

        public mutating func next() -> Change? {
            while let last = levels.indices.last {
                let level = levels[last]
                let item = level.position < level.items.count ? level.items[level.position] : nil
                if let waiting = level.waiting.last, Self.isBelow(waiting.name, before: item?.name)
                {
                    levels[last].waiting.removeLast()
                    put(waiting.name, behind: level.pathBytes)
                    guard let directory = waiting.directory else { continue }
                    levels.append(
                        Level(items: directories[directory], pathBytes: path.count))
                    continue
                }
                guard let item else {
                    levels.removeLast()
                    continue
                }
                levels[last].position += 1
                if item.directory != nil { levels[last].waiting.append(item) }
                put(item.name, behind: level.pathBytes)
                return Change(item.kind, RawPath(partOf: path[...]))
            }
            return nil
        }

        /// Makes the path that of a name in the directory whose path has so many bytes.
        private mutating func put(_ name: RawPath, behind count: Int) {
            path.removeLast(path.count - count)
            if count > 0 { path.append(UInt8(ascii: "/")) }
            path.append(contentsOf: name.bytes)
        }

        /// Whether what is below a directory comes before a name that is behind the directory's.
        private static func isBelow(_ directory: RawPath, before name: RawPath?) -> Bool {
            guard let name, name.hasPrefix(directory) else { return true }
            return name.bytes[directory.count] > UInt8(ascii: "/")
        }
    }

    /// Puts a list together.
    struct Builder {
        private let root: TreeWay
        private var directories: [[Item]] = [[]]
        /// The directories in which something is listed, by their numbers.
        private var numbers: [ObjectIdentifier: Int]
        private var ways: [TreeWay]
        /// The directory that an item is.
        private var items: [ObjectIdentifier: (directory: Int, position: Int)] = [:]
        private var count = 0

        init(_ root: TreeWay) {
            self.root = root
            (ways, numbers) = ([root], [ObjectIdentifier(root): 0])
        }

        mutating func append(_ kind: Change.Kind, _ place: TreePlace) {
            append(kind, place.name, in: place.directory, own: place.own)
        }

        private mutating func append(
            _ kind: Change.Kind, _ name: RawPath, in directory: TreeWay, own: TreeWay?
        ) {
            let number: Int
            if let known = numbers[ObjectIdentifier(directory)] {
                number = known
            } else {
                number = directories.count
                directories.append([])
                ways.append(directory)
                numbers[ObjectIdentifier(directory)] = number
            }
            if let own {
                items[ObjectIdentifier(own)] = (number, directories[number].count)
            }
            directories[number].append(Item(name: name, kind: kind))
            count += 1
        }

        /// Lists every directory that leads to what is listed as modified, unless it is listed.
        mutating func addDirectoriesOnTheWay() {
            var number = 1
            // Those that come to it are looked at in their turn.
            while number < ways.count {
                let way = ways[number]
                if items[ObjectIdentifier(way)] == nil, let above = way.above {
                    append(.modified, way.name, in: above, own: way)
                }
                if let item = items[ObjectIdentifier(way)] {
                    directories[item.directory][item.position].directory = number
                }
                number += 1
            }
        }

        consuming func finish() -> ChangeList {
            for index in directories.indices {
                directories[index].sort { $0.name < $1.name }
            }
            return ChangeList(directories: directories, count: count)
        }
    }
}
