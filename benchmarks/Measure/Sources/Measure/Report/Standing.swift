// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// Where this project stands in one operation: its time beside that of a peer, or of the bare filesystem.
public struct Standing: Sendable {
    /// What is done: `mount`, `write-start of 1 MiB`.
    public let operation: String
    /// By which driver on which filesystem: `overlay on ext4`.
    public let place: String
    /// Beside whom: `containers-storage`, or `a plain file`.
    public let other: String
    /// Whether the other does only what any driver has to, so that nobody is faster.
    public let isFloor: Bool
    /// Medians in nanoseconds.
    public let ours: Double
    public let theirs: Double

    /// Our time by theirs: below 1 we are ahead.
    public var ratio: Double { ours / theirs }

    /// All that a result has both sides of: peers first, then the floor.
    public static func all(in series: [Series]) -> [Standing] {
        beside(peers: series) + besidePlainFiles(series)
    }

    /// Whole commands beside those of peers with the same driver on the same filesystem.
    private static func beside(peers series: [Series]) -> [Standing] {
        let own = "graphctl "
        let commands = series.filter {
            $0.key.parameterName == "layer bytes" && $0.key.mode == "process"
        }
        return commands.filter { !$0.key.subject.hasPrefix(own) }.compactMap { theirs in
            guard let (other, place) = theirs.key.subject.cut(at: " ") else { return nil }
            let ours = commands.first {
                $0.key.subject == own + place && $0.key.operation == theirs.key.operation
                    && $0.key.parameter == theirs.key.parameter
            }
            guard let ours = ours?.statistics?.p50, let its = theirs.statistics?.p50, its > 0 else {
                return nil
            }
            return Standing(
                operation: theirs.key.operation, place: place, other: other, isFloor: false,
                ours: ours, theirs: its)
        }
    }

    /// The first change of a file of a parent beside the same of a file that nothing is shared with.
    private static func besidePlainFiles(_ series: [Series]) -> [Standing] {
        let plain = "plain on "
        let warm = series.filter {
            $0.key.command == "copy-up" && $0.key.state == "warm" && $0.key.isDefaultMode
                && ["write-start", "chmod"].contains($0.key.operation)
        }
        let largest = warm.map(\.key.parameter).max()
        return warm.filter { $0.key.parameter == largest }.compactMap { ours in
            guard ours.key.isOfDriver, let (_, filesystem) = ours.key.subject.cut(at: " on ") else {
                return nil
            }
            let floor = warm.first {
                $0.key.subject == plain + filesystem && $0.key.operation == ours.key.operation
                    && $0.key.parameter == ours.key.parameter
            }
            guard let its = floor?.statistics?.p50, let own = ours.statistics?.p50, its > 0 else {
                return nil
            }
            return Standing(
                operation: "\(ours.key.operation) of \(Figure.bytes(Double(ours.key.parameter)))",
                place: ours.key.subject, other: "a plain file", isFloor: true, ours: own,
                theirs: its)
        }
    }
}

extension [Standing] {
    /// Those that are shown together, beside one other at one place, in the order in which they occur.
    package var groups: [(title: String, standings: [Standing])] {
        var groups: [(title: String, standings: [Standing])] = []
        for one in self {
            let title =
                one.isFloor ? "beside \(one.other)" : "\(one.place), beside \(one.other)"
            if let index = groups.firstIndex(where: { $0.title == title }) {
                groups[index].standings.append(one)
            } else {
                groups.append((title, [one]))
            }
        }
        return groups
    }

    /// A table for a terminal and for documentation.
    public var table: Table {
        Table(
            "Our time by theirs: below 1 we are ahead",
            header: ["operation", "driver", "beside", "ratio", "ours", "theirs"],
            rows: map { one in
                [
                    one.operation, one.place, one.other, Figure.digits(one.ratio),
                    Figure.duration(one.ours), Figure.duration(one.theirs),
                ]
            })
    }
}

extension Series.Key {
    /// Whether a driver is set as it is by itself; overlay's modes all have a name.
    var isDefaultMode: Bool { mode.isEmpty || mode == "metacopy=off" }

    /// Whether one of the drivers does it.
    var isOfDriver: Bool {
        !["plain ", "floor ", "bare ", "containers-storage ", "containerd ", "graphctl "].contains {
            subject.hasPrefix($0)
        }
    }
}

extension String {
    /// The parts before and behind the first occurrence of a separator.
    func cut(at separator: String) -> (String, String)? {
        guard let range = firstRange(of: separator) else { return nil }
        return (String(self[..<range.lowerBound]), String(self[range.upperBound...]))
    }
}
