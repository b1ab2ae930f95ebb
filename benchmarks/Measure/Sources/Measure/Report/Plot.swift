// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation

/// A drawing of lines over two axes, as SVG.
///
/// Colours are classes of the style in ``Plot/style``, which knows light, dark and print; each line has its name
/// at its end, and a mark of its own.
public struct Plot: Sendable {
    public struct Line: Sendable {
        public let name: String
        public let points: [(x: Double, y: Double)]

        public init(_ name: String, _ points: [(x: Double, y: Double)]) {
            (self.name, self.points) = (name, points)
        }
    }

    public struct Axis: Sendable {
        public let title: String
        /// The base of the steps on a logarithmic axis.
        public let base: Double
        public let label: @Sendable (Double) -> String

        public init(
            _ title: String, base: Double, label: @escaping @Sendable (Double) -> String
        ) {
            (self.title, self.base, self.label) = (title, base, label)
        }
    }

    public let title: String
    public let x: Axis
    public let y: Axis
    public let lines: [Line]

    /// What is not above zero has no place on logarithmic axes and is left out.
    public init(_ title: String, x: Axis, y: Axis, lines: [Line]) {
        (self.title, self.x, self.y) = (title, x, y)
        self.lines = lines.map { line in
            Line(
                line.name,
                line.points.filter { $0.x > 0 && $0.y > 0 }.sorted { $0.x < $1.x })
        }.filter { !$0.points.isEmpty }
    }

    /// The style of the parts; for a file of its own it goes into the drawing.
    public static let style = """
        .plot{font:12px sans-serif;max-width:100%;height:auto;color:#222}
        .plot text{fill:currentColor}.plot .title{font-weight:600;font-size:14px}
        .plot .grid{stroke:currentColor;stroke-opacity:.15}.plot .axis{stroke:currentColor;fill:none}
        .plot .line{fill:none;stroke-width:2}
        .c0{stroke:#0b62c4;fill:#0b62c4}.c1{stroke:#c2410c;fill:#c2410c}.c2{stroke:#15803d;fill:#15803d}
        .c3{stroke:#9333ea;fill:#9333ea}.c4{stroke:#b8860b;fill:#b8860b}.c5{stroke:#0f8a8a;fill:#0f8a8a}
        .c6{stroke:#be185d;fill:#be185d}.c7{stroke:#64748b;fill:#64748b}
        @media (prefers-color-scheme:dark){.plot{color:#ddd}
        .c0{stroke:#6cb2ff;fill:#6cb2ff}.c1{stroke:#ff9d66;fill:#ff9d66}.c2{stroke:#6ee7a0;fill:#6ee7a0}
        .c3{stroke:#cfa0ff;fill:#cfa0ff}.c4{stroke:#f5d262;fill:#f5d262}.c5{stroke:#62dede;fill:#62dede}
        .c6{stroke:#ff85b8;fill:#ff85b8}.c7{stroke:#a8b5c7;fill:#a8b5c7}}
        @media print{.plot{color:#000}
        .c0{stroke:#0b62c4;fill:#0b62c4}.c1{stroke:#c2410c;fill:#c2410c}.c2{stroke:#15803d;fill:#15803d}
        .c3{stroke:#9333ea;fill:#9333ea}.c4{stroke:#7a5b06;fill:#7a5b06}.c5{stroke:#0b6b6b;fill:#0b6b6b}
        .c6{stroke:#be185d;fill:#be185d}.c7{stroke:#475569;fill:#475569}}
        .plot .line{fill:none}.plot .lead{fill:none;stroke-width:1;stroke-opacity:.6}
        """

    /// Marks of the lines, drawn around the origin.
    private static let marks = [
        "<circle r='4'/>", "<path d='M-4-4h8v8h-8z'/>", "<path d='M0-5l5 9h-10z'/>",
        "<path d='M0-5l5 5-5 5-5-5z'/>", "<path d='M0 5l5-9h-10z'/>",
        "<path d='M-4-1h3v-3h2v3h3v2h-3v3h-2v-3h-3z'/>", "<path d='M-5-2h10v4h-10z'/>",
        "<path d='M-2-5h4v10h-4z'/>",
    ]

    private static let height = 380.0
    /// Where the axes are.
    private static let (left, top, edge, floor) = (74.0, 34.0, 520.0, 332.0)

    /// With room for the longest name beside the axes.
    private var width: Double {
        Self.edge + 48 + 7 * Double(lines.map(\.name.count).max() ?? 0)
    }

    /// How far names at the ends of lines are apart at least.
    package static let nameHeight = 16.0

    /// Where the names of lines stand, which end at these heights: as near as they can without touching.
    package static func namePlaces(_ ends: [Double]) -> [Double] {
        let order = ends.indices.sorted { ends[$0] < ends[$1] }
        var places = ends
        var next = top
        for index in order {
            places[index] = max(ends[index], next)
            next = places[index] + nameHeight
        }
        // Back up from the floor, but not out of the top: of too many some stand below.
        var limit = max(floor, top + nameHeight * Double(ends.count - 1))
        for index in order.reversed() {
            places[index] = min(places[index], limit)
            limit = places[index] - nameHeight
        }
        return places
    }

    /// The drawing; with `styled` it carries its style, for a file of its own.
    public func svg(styled: Bool = false) -> String {
        let all = lines.flatMap(\.points)
        guard !all.isEmpty else { return "" }
        let across = Scale(all.map(\.x), x.base, Self.left, Self.edge)
        let upward = Scale(all.map(\.y), y.base, Self.floor, Self.top)
        let names = Self.namePlaces(lines.map { upward.place($0.points.last?.y ?? 1) })
        let height = max(Self.height, (names.max() ?? 0) + Self.nameHeight)
        var parts = [
            "<svg class='plot' xmlns='http://www.w3.org/2000/svg' role='img' "
                + "viewBox='0 0 \(Int(width)) \(Int(height))' width='\(Int(width))'>",
            "<title>\(Self.escaped(title))</title>",
        ]
        if styled { parts.append("<style>\(Self.style)</style>") }
        parts.append("<text class='title' x='\(Self.left)' y='18'>\(Self.escaped(title))</text>")
        parts += frame(across, upward)
        for (index, line) in lines.enumerated() {
            parts.append(drawn(line, index, across, upward, names[index]))
        }
        return (parts + ["</svg>"]).joined(separator: "\n")
    }

    private func frame(_ across: Scale, _ upward: Scale) -> [String] {
        let (floor, edge) = (Self.floor, Self.edge)
        var parts: [String] = []
        for tick in across.ticks {
            let place = Self.number(across.place(tick))
            parts.append("<path class='grid' d='M\(place) \(Self.top)V\(floor)'/>")
            parts.append(
                "<text x='\(place)' y='\(floor + 16)' text-anchor='middle'>\(Self.escaped(x.label(tick)))</text>"
            )
        }
        for tick in upward.ticks {
            let place = Self.number(upward.place(tick))
            parts.append("<path class='grid' d='M\(Self.left) \(place)H\(edge)'/>")
            parts.append(
                "<text x='\(Self.left - 6)' y='\(place)' dy='4' text-anchor='end'>\(Self.escaped(y.label(tick)))</text>"
            )
        }
        let middle = Self.number((Self.left + edge) / 2)
        parts.append("<path class='axis' d='M\(Self.left) \(Self.top)V\(floor)H\(edge)'/>")
        parts.append(
            "<text x='\(middle)' y='\(Self.height - 10)' text-anchor='middle'>\(Self.escaped(x.title))</text>"
        )
        parts.append(
            "<text transform='translate(14 \(Self.number((Self.top + floor) / 2))) rotate(-90)' "
                + "text-anchor='middle'>\(Self.escaped(y.title))</text>")
        return parts
    }

    private func drawn(
        _ line: Line, _ index: Int, _ across: Scale, _ upward: Scale, _ row: Double
    ) -> String {
        let colour = "c\(index % 8)"
        let mark = Self.marks[index % Self.marks.count]
        let places = line.points.map {
            (Self.number(across.place($0.x)), Self.number(upward.place($0.y)), $0)
        }
        let path = places.map { "\($0.0) \($0.1)" }.joined(separator: "L")
        let dashes = index < 8 ? "" : " stroke-dasharray='6 3'"
        var text = "<path class='line \(colour)'\(dashes) d='M\(path)'/>"
        for (px, py, point) in places {
            let told = "\(line.name), \(x.label(point.x)): \(y.label(point.y))"
            text +=
                "<g class='\(colour)' transform='translate(\(px) \(py))'>\(mark)"
                + "<title>\(Self.escaped(told))</title></g>"
        }
        let name = Self.edge + 26
        if let last = places.last {
            text +=
                "<path class='lead \(colour)' d='M\(last.0) \(last.1)L\(name - 8) \(Self.number(row))'/>"
        }
        text +=
            "<g class='\(colour)' transform='translate(\(name) \(Self.number(row)))'>\(mark)</g>"
        text +=
            "<text x='\(name + 10)' y='\(Self.number(row))' dy='4'>\(Self.escaped(line.name))</text>"
        return text
    }

    private static func number(_ value: Double) -> String { String(format: "%.1f", value) }

    /// Text for HTML and SVG.
    public static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
            .replacing(">", with: "&gt;").replacing("'", with: "&#39;").replacing(
                "\"", with: "&quot;")
    }
}

/// A logarithmic axis from full step to full step.
private struct Scale {
    let ticks: [Double]
    private let low: Double
    private let high: Double
    private let from: Double
    private let to: Double

    init(_ values: [Double], _ base: Double, _ from: Double, _ to: Double) {
        let logs = values.map { log($0) / log(base) }
        let first = Int((logs.min() ?? 0).rounded(.down))
        let last = max(Int((logs.max() ?? 1).rounded(.up)), first + 1)
        let step = max(1, (last - first + 9) / 10)
        ticks = stride(from: first, through: last, by: step).map { pow(base, Double($0)) }
        (low, high) = (Double(first) * log(base), Double(last) * log(base))
        (self.from, self.to) = (from, to)
    }

    func place(_ value: Double) -> Double { from + (log(value) - low) / (high - low) * (to - from) }
}
