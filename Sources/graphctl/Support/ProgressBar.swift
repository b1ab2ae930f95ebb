// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
import GraphSystem
import Synchronization

/// One line on a terminal that shows how far a long operation has come.
///
/// Appears after half a second and is gone at the end, so that short work shows nothing.
package final class ProgressBar: Sendable {
    private struct State {
        var phase = ""
        var phaseStart: ContinuousClock.Instant
        var lastDrawn: ContinuousClock.Instant?
        var isShown = false
    }

    private let start: ContinuousClock.Instant
    private let state: Mutex<State>

    private static let delay = Duration.milliseconds(500)
    private static let interval = Duration.milliseconds(100)

    init() {
        start = .now
        state = Mutex(State(phaseStart: start))
    }

    /// Draws the line, when it is time.
    func update(_ progress: WorkProgress) {
        let now = ContinuousClock.now
        state.withLock { state in
            if state.phase != progress.phase {
                (state.phase, state.phaseStart) = (progress.phase, now)
            }
            if now - start < Self.delay { return }
            if let last = state.lastDrawn, now - last < Self.interval { return }
            state.lastDrawn = now
            let columns = StandardStream.error.columns ?? 80
            if columns < 20 { return }
            let line = Self.line(progress, since: now - state.phaseStart, columns: columns - 1)
            Self.write("\r\(line)\u{1B}[K")
            state.isShown = true
        }
    }

    /// Takes the line away, also for a message that is to stand in its place.
    func erase() {
        state.withLock { state in
            if state.isShown { Self.write("\r\u{1B}[K") }
            state.isShown = false
        }
    }

    /// The line, no longer than `columns`: `unpacking [####    ] 50 % 1.0 GiB of 2.0 GiB, 210.0 MiB/s`.
    package static func line(_ progress: WorkProgress, since time: Duration, columns: Int) -> String
    {
        let (seconds, fraction) = time.components
        let elapsed = Double(seconds) + Double(fraction) / 1e18
        var facts = humanBytes(progress.completedBytes)
        if let total = progress.totalBytes { facts += " of \(humanBytes(total))" }
        if elapsed >= 0.5 {
            facts += ", \(humanBytes(UInt64(Double(progress.completedBytes) / elapsed)))/s"
        }
        guard let total = progress.totalBytes, total > 0 else {
            return String("\(progress.phase) \(facts)".prefix(columns))
        }
        let share = min(1, Double(progress.completedBytes) / Double(total))
        let tail = " \(Int(share * 100)) % \(facts)"
        let width = columns - progress.phase.count - tail.count - 3
        if width < 5 { return String("\(progress.phase)\(tail)".prefix(columns)) }
        let filled = Int(share * Double(min(width, 40)))
        let bar =
            String(repeating: "#", count: filled)
            + String(repeating: " ", count: min(width, 40) - filled)
        return "\(progress.phase) [\(bar)]\(tail)"
    }

    private static func write(_ text: String) {
        let bytes = Array(text.utf8)
        // A terminal that went away takes the bar with it.
        try? StandardStream.error.write(bytes.span)
    }
}
