// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation

/// Figures as people read them: three digits and a unit.
public enum Figure {
    public static func text(_ value: Double, _ unit: Series.Unit) -> String {
        switch unit {
        case .nanoseconds: duration(value)
        case .bytesPerSecond: bytes(value) + "/s"
        case .perSecond: digits(value) + "/s"
        }
    }

    public static func duration(_ nanoseconds: Double) -> String {
        scaled(nanoseconds, ["ns", "us", "ms", "s"], 1000)
    }

    public static func bytes(_ bytes: Double) -> String {
        scaled(bytes, ["B", "KiB", "MiB", "GiB", "TiB"], 1024)
    }

    public static func parameter(_ key: Series.Key) -> String {
        switch key.parameterName {
        case "": ""
        case "file bytes", "layer bytes": bytes(Double(key.parameter))
        default: "\(key.parameter) \(key.parameterName)"
        }
    }

    private static func scaled(_ value: Double, _ units: [String], _ base: Double) -> String {
        var (value, index) = (value, 0)
        while abs(value) >= base * 0.9995 && index < units.count - 1 {
            value /= base
            index += 1
        }
        return "\(digits(value)) \(units[index])"
    }

    /// Three digits that count, and no more.
    public static func digits(_ value: Double) -> String {
        if value == value.rounded() && abs(value) < 1000 { return String(format: "%.0f", value) }
        let size = abs(value)
        return String(format: size >= 99.95 ? "%.0f" : size >= 9.995 ? "%.1f" : "%.2f", value)
    }
}
