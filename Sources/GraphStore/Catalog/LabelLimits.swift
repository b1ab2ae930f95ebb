// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore

/// How much labels may say of one layer.
public enum LabelLimits {
    /// Bytes of a key together with its value, as containerd has it for its snapshots.
    public static let bytesMax = 4_096
    /// Labels of one layer.
    public static let countMax = 256

    /// Refuses labels that cannot be typed, would be read as another key and value, or are too large.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/invalidArgument``.
    static func check(_ labels: [String: String]) throws(DriverError) {
        if labels.count > countMax {
            throw DriverError(
                .invalidArgument, "\(labels.count) labels: a layer has at most \(countMax)")
        }
        for (key, value) in labels { try check(key, value) }
    }

    /// The same of one label; a value of nil removes it.
    static func check(_ key: String, _ value: String?) throws(DriverError) {
        let start = String(String.UnicodeScalarView(key.unicodeScalars.prefix(64)))
        let shown = start == key ? key : start + "…"
        if key.isEmpty || key.contains("=") {
            throw DriverError(
                .invalidArgument,
                "\"\(shown)\" is not a label key: it is empty or has an equals sign in it")
        }
        let bytes = key.utf8.count + (value?.utf8.count ?? 0)
        if bytes > bytesMax {
            throw DriverError(
                .invalidArgument,
                "the label \(shown) has \(bytes) bytes: key and value together have at most "
                    + "\(bytesMax)")
        }
    }
}
