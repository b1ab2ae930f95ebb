// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation

/// Ratios as bars that leave a middle line: to the left, and green, where we are ahead.
///
/// HTML and not a drawing, so that text keeps its size on a small screen.
struct Bars {
    let standings: [Standing]

    static let style = """
        .bars h3{margin:1.1em 0 .3em;font-size:1em}
        .bar{display:grid;grid-template-columns:19em 1fr 14em;gap:.8em;align-items:center;font-size:13px;
        font-variant-numeric:tabular-nums;margin:2px 0}
        .track{position:relative;height:1.1em;background:linear-gradient(#8888,#8888) 50% 0/1px 100% no-repeat}
        .track i{position:absolute;top:0;bottom:0;print-color-adjust:exact;-webkit-print-color-adjust:exact}
        .ahead{background:#15803d}.behind{background:#c2410c}.near{background:#64748b}
        @media (prefers-color-scheme:dark){.ahead{background:#6ee7a0}.behind{background:#ff9d66}
        .near{background:#a8b5c7}}
        @media print{.ahead{background:#15803d}.behind{background:#c2410c}.near{background:#64748b}}
        @media (max-width:45em){.bar{grid-template-columns:1fr auto;gap:0 .8em}.track{grid-column:1/3;grid-row:2}}
        """

    /// The ratio at the ends of a track.
    private static let reach = 32.0

    var html: String {
        if standings.isEmpty { return "" }
        let groups = standings.groups.map { group in
            "<h3>\(Plot.escaped(group.title))</h3>" + group.standings.map(Self.bar).joined()
        }
        return "<div class='bars'>\(groups.joined(separator: "\n"))</div>"
    }

    private static func bar(_ one: Standing) -> String {
        let name = one.isFloor ? "\(one.operation), \(one.place)" : one.operation
        let shift = max(-1, min(1, log(one.ratio) / log(reach))) * 50
        let (left, width) = shift < 0 ? (50 + shift, -shift) : (50, shift)
        let place = String(format: "left:%.2f%%;width:max(2px,%.2f%%)", left, width)
        let figures =
            "<b>\(Figure.digits(one.ratio))</b> \(Figure.duration(one.ours)) / \(Figure.duration(one.theirs))"
        return "<div class='bar'><span>\(Plot.escaped(name))</span>"
            + "<span class='track'><i class='\(colour(one))' style='\(place)'></i></span>"
            + "<span>\(figures)</span></div>"
    }

    /// Nobody is ahead of a floor: one tenth above it counts as being there.
    private static func colour(_ one: Standing) -> String {
        if one.isFloor { return one.ratio <= 1.1 ? "ahead" : "near" }
        return one.ratio < 1 ? "ahead" : "behind"
    }
}
