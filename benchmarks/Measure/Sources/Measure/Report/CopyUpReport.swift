// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// What the first change of a file costs, shown against the size of the file.
enum CopyUpReport {
    static func sections(_ series: [Series]) -> [Report.Section] {
        if series.isEmpty { return [] }
        let warm = series.filter { $0.key.state == "warm" && !$0.key.subject.hasPrefix("floor") }
        var first = Report.Section(
            "The first change of a file of a parent layer",
            "Latency of one operation: the median of warm caches; in tables 99 % and the most in "
                + "brackets. plain is the same operation on a file that nothing is shared with.")
        for name in ["write-start", "chmod"] {
            let shown = plotted(warm, name)
            first.plots.append(("copy-up-\(name)", latency("\(name): time against size", shown)))
        }
        first.tables = operations(of: warm).map { name in
            Table(
                name, of: warm.filter { $0.key.operation == name }, corner: "backend",
                row: who, column: size, cell: \.longText)
        }
        first.brief = brief(warm)
        return [first, written(warm), ratios(series, warm), states(series)]
    }

    /// What a drawing has room for: one line for each driver on each filesystem, of overlay one
    /// for each way to treat metadata where they differ.
    private static func plotted(_ warm: [Series], _ operation: String) -> [Series] {
        warm.filter { one in
            one.key.operation == operation && !one.key.subject.hasPrefix("bare ")
                && (one.key.mode != "metacopy=on" || operation == "chmod")
        }
    }

    /// Two triggers by size, and all triggers at one size.
    private static func brief(_ warm: [Series]) -> [Table] {
        let bySize = ["write-start", "chmod"].map { name in
            Table(
                "\(name): median (most)", of: warm.filter { $0.key.operation == name },
                corner: "backend", row: who, column: size, cell: \.briefText)
        }
        let sizes = Set(warm.map(\.key.parameter)).sorted()
        let shown = sizes.contains(1 << 20) ? 1 << 20 : sizes.first ?? 0
        let own = warm.filter {
            ($0.key.parameter == shown || $0.key.operation.hasSuffix("-1000-files")
                || $0.key.operation == "rename-directory")
                && !$0.key.subject.hasPrefix("bare ") && !$0.key.subject.hasPrefix("vfs ")
                && $0.key.mode != "redirect_dir=on" && $0.key.operation != "create"
        }
        let all = Table(
            "All triggers, files of \(Figure.bytes(Double(shown))), the thousand ones of 4 KiB: medians",
            of: own, corner: "trigger", row: \.operation, column: { (0, who($0)) },
            cell: \.shortText)
        return bySize + [all]
    }

    private static func operations(of series: [Series]) -> [String] {
        var names: [String] = []
        for one in series where !names.contains(one.key.operation) {
            names.append(one.key.operation)
        }
        return names
    }

    static func who(_ key: Series.Key) -> String {
        key.mode.isEmpty ? key.subject : "\(key.subject), \(key.mode)"
    }

    static func size(_ key: Series.Key) -> (rank: Int, name: String) {
        (key.parameter, Figure.bytes(Double(key.parameter)))
    }

    private static let sizes = Plot.Axis("size of the file", base: 4) { Figure.bytes($0) }

    private static func lines(
        _ series: [Series], _ name: (Series.Key) -> String, _ value: (Series) -> Double?
    ) -> [Plot.Line] {
        var order: [String] = []
        var points: [String: [(x: Double, y: Double)]] = [:]
        for one in series {
            guard let value = value(one) else { continue }
            let name = name(one.key)
            if points[name] == nil { order.append(name) }
            points[name, default: []].append((Double(one.key.parameter), value))
        }
        return order.map { Plot.Line($0, points[$0] ?? []) }
    }

    private static func latency(_ title: String, _ series: [Series]) -> Plot {
        Plot(
            title, x: sizes, y: Plot.Axis("median", base: 10) { Figure.duration($0) },
            lines: lines(series, who) { $0.statistics?.p50 })
    }

    private static func written(_ warm: [Series]) -> Report.Section {
        var section = Report.Section(
            "Bytes written to the device",
            "What the block device was told to write for one operation, until a sync of the "
                + "filesystem returned: metadata and journal included. Where several files were "
                + "changed before the sync, each has its part.")
        for name in ["write-start", "chmod"] {
            let shown = plotted(warm, name)
            section.plots.append(
                (
                    "copy-up-bytes-\(name)",
                    Plot(
                        "\(name): bytes written against size", x: sizes,
                        y: Plot.Axis("bytes", base: 4) { Figure.bytes($0) },
                        lines: lines(shown, who) {
                            $0.bytesWritten.isEmpty ? nil : Statistics.median($0.bytesWritten)
                        })
                ))
        }
        section.tables = bytesTables(warm, operations(of: warm))
        section.brief = bytesTables(warm, ["write-start", "chmod"])
        return section
    }

    private static func bytesTables(_ warm: [Series], _ names: [String]) -> [Table] {
        names.map { name in
            Table(
                "\(name): bytes written, and space taken",
                of: warm.filter { $0.key.operation == name },
                corner: "backend", row: who, column: size,
                cell: { one in
                    guard !one.bytesWritten.isEmpty else { return "" }
                    let space = one.spaceUsed.isEmpty ? 0 : Statistics.median(one.spaceUsed)
                    return Figure.bytes(Statistics.median(one.bytesWritten))
                        + (one.spaceUsed.isEmpty ? "" : "; \(Figure.bytes(space))")
                })
        }
    }

    private static func ratios(_ series: [Series], _ warm: [Series]) -> Report.Section {
        var section = Report.Section(
            "Against the floor of the same filesystem",
            "The floors are copies of the same file in the same run, the way each call makes them, "
                + "and the same operation on a plain file.")
        let floors = series.filter { $0.key.subject.hasPrefix("floor") }
        section.tables.append(
            Table(
                "floors", of: floors, corner: "copy", row: { "\($0.operation), \($0.subject)" },
                column: size, cell: \.briefText))
        let writes = warm.filter { $0.key.operation == "write-start" }
        var plain: [String: Double] = [:]
        for one in writes where one.key.subject.hasPrefix("plain on ") {
            plain["\(one.key.subject.dropFirst(9)) \(one.key.parameter)"] = one.statistics?.p50
        }
        func ratio(_ one: Series) -> Double? {
            guard let filesystem = one.key.subject.split(separator: " ").last,
                let floor = plain["\(filesystem) \(one.key.parameter)"], floor > 0
            else { return nil }
            return one.statistics.map { $0.p50 / floor }
        }
        let others = plotted(warm, "write-start").filter { !$0.key.subject.hasPrefix("plain") }
        section.plots.append(
            (
                "copy-up-ratio",
                Plot(
                    "write-start: times as long as on a plain file", x: sizes,
                    y: Plot.Axis("ratio", base: 10) { Figure.digits($0) },
                    lines: lines(others, who, ratio))
            ))
        section.tables.append(
            Table(
                "write-start: times as long as on a plain file", of: others, corner: "backend",
                row: who, column: size, cell: { ratio($0).map(Figure.digits) ?? "" }))
        return section
    }

    private static func states(_ series: [Series]) -> Report.Section {
        var section = Report.Section(
            "With cold caches, and the second time",
            "Cold: the filesystem was unmounted and mounted anew. Second: the same operation once "
                + "more on the same file.")
        for (state, names) in [
            ("cold", ["write-start", "chmod"]), ("second", ["write-start", "chmod"]),
        ] {
            for name in names {
                let shown = series.filter { $0.key.state == state && $0.key.operation == name }
                if shown.isEmpty { continue }
                section.tables.append(
                    Table(
                        "\(name), \(state)", of: shown, corner: "backend", row: who, column: size,
                        cell: \.longText))
            }
        }
        section.brief = [("write-start", "cold"), ("write-start", "second")].map { name, state in
            Table(
                "\(name), \(state): median (most)",
                of: series.filter {
                    $0.key.state == state && $0.key.operation == name
                        && !$0.key.subject.hasPrefix("bare ")
                }, corner: "backend", row: who, column: size, cell: \.briefText)
        }
        return section
    }
}
