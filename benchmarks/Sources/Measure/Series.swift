// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// What one thing costs: who did what, and every sample of it.
package struct Series: Codable, Sendable {
    /// What is measured, and what two results are matched by.
    package struct Key: Codable, Hashable, Sendable, CustomStringConvertible {
        /// The subcommand: `copy-up`, `layers` or `io`.
        package var command: String
        /// Who does it: `overlay on xfs`, `plain on ext4`, `containers-storage overlay`.
        package var subject: String
        /// What is done: `write-start`, `chmod`, `mount`.
        package var operation: String
        /// How the subject is set: `metacopy`, `process`; empty for its defaults.
        package var mode: String
        /// The state before: `warm`, `cold`, `second` (the same once more), or empty.
        package var state: String
        /// What ``parameter`` counts: `file bytes`, `layers`, `depth`, `processes`; or empty.
        package var parameterName: String
        package var parameter: Int

        package init(
            command: String, subject: String, operation: String, mode: String = "",
            state: String = "", parameterName: String = "", parameter: Int = 0
        ) {
            (self.command, self.subject, self.operation) = (command, subject, operation)
            (self.mode, self.state) = (mode, state)
            (self.parameterName, self.parameter) = (parameterName, parameter)
        }

        package var description: String {
            var words = [command, subject, mode, operation, state].filter { !$0.isEmpty }
            if !parameterName.isEmpty { words.append("\(parameterName) \(parameter)") }
            return words.joined(separator: " | ")
        }
    }

    package enum Unit: String, Codable, Sendable {
        /// Time for one operation; less is better.
        case nanoseconds = "ns"
        /// Throughput; more is better.
        case bytesPerSecond = "B/s"
        /// Throughput; more is better.
        case perSecond = "1/s"

        package var isBetterWhenLess: Bool { self == .nanoseconds }
    }

    package let key: Key
    package let unit: Unit
    /// The samples of each round of the run: those of one round were taken within moments.
    package var rounds: [[Double]] = []
    /// Bytes written to the device for each operation, what a sync writes after it included.
    package var bytesWritten: [Double] = []
    /// Bytes of space that each operation took.
    package var spaceUsed: [Double] = []
    /// Processor time of each operation in nanoseconds, in user mode and in the kernel.
    package var userTime: [Double] = []
    package var systemTime: [Double] = []
    /// Whether the harness's own part may be more than 2 % of it; set when a result is finished.
    package var isDoubtful = false
    /// What ``rounds`` come to; set when a result is finished.
    package var statistics: Statistics?

    package init(_ key: Key, unit: Unit = .nanoseconds) { (self.key, self.unit) = (key, unit) }

    package var samples: [Double] { rounds.flatMap { $0 } }
}
