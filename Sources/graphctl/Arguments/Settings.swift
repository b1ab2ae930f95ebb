// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// What the options of all commands say, however they were read.
struct Settings {
    var root: String?
    var runRoot: String?
    var driver: String?
    var storageOptions: [KeyValue] = []
    var durability: Durability?
    var json = false
    var logLevel = LogLevel.warning

    /// Where the store is.
    func rootPath() throws(DriverError) -> FilePath {
        if let root { return FilePath(root) }
        if let path = CurrentProcess.environment("GRAPHCTL_ROOT") { return path.filePath }
        if CurrentProcess.effectiveUser == 0 { return "/var/lib/graphctl" }
        if let data = CurrentProcess.environment("XDG_DATA_HOME") {
            return data.filePath.appending("graphctl")
        }
        if let home = CurrentProcess.environment("HOME") {
            return home.filePath.appending(".local/share/graphctl")
        }
        throw DriverError(.invalidArgument, "HOME is not set; use --root")
    }

    /// Where mounts are.
    func runRootPath() -> FilePath {
        if let runRoot { return FilePath(runRoot) }
        if let path = CurrentProcess.environment("GRAPHCTL_RUN_ROOT") { return path.filePath }
        if CurrentProcess.effectiveUser == 0 { return "/run/graphctl" }
        if let directory = CurrentProcess.environment("XDG_RUNTIME_DIR") {
            return directory.filePath.appending("graphctl")
        }
        // Where the session manager puts it. Commands that do not mount never look there.
        return FilePath("/run/user/\(CurrentProcess.effectiveUser)/graphctl")
    }

    /// What layers are promised.
    func durabilityOrDefault() throws(DriverError) -> Durability {
        if let durability { return durability }
        guard let text = try Self.text("GRAPHCTL_DURABILITY") else { return .durable }
        guard let durability = Durability(rawValue: text) else {
            throw DriverError(
                .invalidArgument, "GRAPHCTL_DURABILITY is \(text): durable or unsynced")
        }
        return durability
    }

    /// The driver that was asked for; nil for the store's own.
    func driverName() throws(DriverError) -> String? {
        if let driver { return driver }
        return try Self.text("GRAPHCTL_DRIVER")
    }

    /// What SOURCE_DATE_EPOCH says (reproducible-builds.org), which asks for a failure where it is no
    /// number.
    static func sourceDateEpoch() throws(DriverError) -> Timestamp? {
        guard let value = try text("SOURCE_DATE_EPOCH") else { return nil }
        guard let seconds = Int64(value), seconds >= 0 else {
            throw DriverError(
                .invalidArgument, "SOURCE_DATE_EPOCH is \(value), and no number of seconds")
        }
        return Timestamp(seconds: seconds)
    }

    /// An environment variable that is no path.
    private static func text(_ name: String) throws(DriverError) -> String? {
        guard let value = CurrentProcess.environment(name) else { return nil }
        if let text = String(validating: value.bytes, as: UTF8.self) { return text }
        throw DriverError(.invalidArgument, "\(name) is not UTF-8")
    }
}

extension Settings {
    /// The options in a line of common words, which are taken out of it.
    init(_ line: inout CommonLine) {
        root = line.option("root")
        runRoot = line.option("run-root")
        driver = line.option("driver")
        storageOptions = line.options("storage-opt", KeyValue.init(parsing:))
        durability = line.option("durability")
        json = line.flag("json")
        logLevel = line.option("log-level") ?? .warning
    }
}
