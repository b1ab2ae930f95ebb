// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// Which backend for which load, by the figures of one machine.
enum Choice {
    /// A row a load, with the fastest backend and the others behind it; nil where there is nothing to choose.
    static func table(_ series: [Series]) -> Table? {
        let rows = loads(series).compactMap { load -> [String]? in
            let sorted = load.candidates.sorted { $0.median < $1.median }
            guard let best = sorted.first, sorted.count > 1 else { return nil }
            let others = sorted.dropFirst().map {
                "\($0.name) \(Figure.duration($0.median)) (\(Figure.digits($0.median / best.median)))"
            }
            return [
                load.name, "\(best.name) \(Figure.duration(best.median))",
                others.joined(separator: "; "),
            ]
        }
        if rows.isEmpty { return nil }
        return Table(
            "Which backend for which load",
            header: ["load", "fastest", "others, and how many times it"],
            rows: rows)
    }

    private struct Load {
        let name: String
        var candidates: [(name: String, median: Double)] = []
    }

    private static func loads(_ series: [Series]) -> [Load] {
        var loads: [Load] = []
        func add(_ load: String, _ candidate: String, _ one: Series) {
            guard let median = one.statistics?.p50 else { return }
            if !loads.contains(where: { $0.name == load }) { loads.append(Load(name: load)) }
            for index in loads.indices where loads[index].name == load {
                loads[index].candidates.append((candidate, median))
            }
        }
        let changes = series.filter {
            $0.key.command == "copy-up" && $0.key.state == "warm" && $0.key.isDefaultMode
                && $0.key.isOfDriver && $0.unit == .nanoseconds
        }
        let sizes = Set(changes.map(\.key.parameter)).sorted()
        let names = ["write-start": "the first write to a file of", "chmod": "chmod of a file of"]
        for size in Set([sizes.first, sizes.last].compactMap(\.self)).sorted() {
            for operation in ["write-start", "chmod"] {
                for one in changes
                where one.key.operation == operation && one.key.parameter == size {
                    add(
                        "\(names[operation] ?? operation) \(Figure.bytes(Double(size)))",
                        one.key.subject, one)
                }
            }
        }
        let own = "graph-storage "
        for one in series
        where one.key.parameterName == "layer bytes" && one.key.subject.hasPrefix(own) {
            add(one.key.operation, String(one.key.subject.dropFirst(own.count)), one)
        }
        return loads
    }
}
