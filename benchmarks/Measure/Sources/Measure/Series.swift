// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// What one thing costs: who did what, and every sample of it.
public struct Series: Codable, Sendable {
    /// What is measured, and what two results are matched by.
    public struct Key: Codable, Hashable, Sendable, CustomStringConvertible {
        /// The subcommand: `copy-up`, `layers` or `io`.
        public var command: String
        /// Who does it: `overlay on xfs`, `plain on ext4`, `containers-storage overlay`.
        public var subject: String
        /// What is done: `write-start`, `chmod`, `mount`.
        public var operation: String
        /// How the subject is set: `metacopy`, `process`; empty for its defaults.
        public var mode: String
        /// The state before: `warm`, `cold`, `second` (the same once more), or empty.
        public var state: String
        /// What ``parameter`` counts: `file bytes`, `layers`, `depth`, `processes`; or empty.
        public var parameterName: String
        public var parameter: Int

        public init(
            command: String, subject: String, operation: String, mode: String = "",
            state: String = "", parameterName: String = "", parameter: Int = 0
        ) {
            (self.command, self.subject, self.operation) = (command, subject, operation)
            (self.mode, self.state) = (mode, state)
            (self.parameterName, self.parameter) = (parameterName, parameter)
        }

        public var description: String {
            var words = [command, subject, mode, operation, state].filter { !$0.isEmpty }
            if !parameterName.isEmpty { words.append("\(parameterName) \(parameter)") }
            return words.joined(separator: " | ")
        }
    }

    public enum Unit: String, Codable, Sendable {
        /// Time for one operation; less is better.
        case nanoseconds = "ns"
        /// Throughput; more is better.
        case bytesPerSecond = "B/s"
        /// Throughput; more is better.
        case perSecond = "1/s"

        public var isBetterWhenLess: Bool { self == .nanoseconds }
    }

    public let key: Key
    public let unit: Unit
    /// The samples of each round of the run: those of one round were taken within moments.
    public var rounds: [[Double]] = []
    /// Bytes written to the device for each operation, what a sync writes after it included.
    public var bytesWritten: [Double] = []
    /// Bytes of space that each operation took.
    public var spaceUsed: [Double] = []
    /// Processor time of each operation in nanoseconds, in user mode and in the kernel.
    public var userTime: [Double] = []
    public var systemTime: [Double] = []
    /// Whether the harness's own part may be more than 2 % of it; set when a result is finished.
    public var isDoubtful = false
    /// What ``rounds`` come to; set when a result is finished.
    public var statistics: Statistics?

    public init(_ key: Key, unit: Unit = .nanoseconds) { (self.key, self.unit) = (key, unit) }

    public var samples: [Double] { rounds.flatMap { $0 } }
}
