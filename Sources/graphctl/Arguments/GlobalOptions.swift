// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import Logging

/// The options that all commands have.
struct GlobalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where the store is ($GRAPHCTL_ROOT; default: /var/lib/graphctl, or in your XDG data directory).",
            valueName: "dir"),
        completion: .directory)
    var root: String?

    @Option(
        help: ArgumentHelp(
            "Where mounts are ($GRAPHCTL_RUN_ROOT; default: /run/graphctl, or in your XDG runtime directory).",
            valueName: "dir"),
        completion: .directory)
    var runRoot: String?

    @Option(
        help: ArgumentHelp(
            "The driver ($GRAPHCTL_DRIVER; default: the store's, else the best that works).",
            valueName: "name"))
    var driver: String?

    @Option(
        name: .customLong("storage-opt"),
        help: ArgumentHelp(
            "A setting for the driver; may be repeated. The key may begin with the driver's name and a dot.",
            valueName: "key=value"),
        transform: KeyValue.init(parsing:))
    var storageOptions: [KeyValue] = []

    @Option(
        help: ArgumentHelp(
            "What new layers are promised ($GRAPHCTL_DURABILITY; default: durable).",
            valueName: "durable|unsynced"),
        transform: Durability.argument)
    var durability: Durability?

    @Flag(help: "Print JSON.")
    var json = false

    @Option(help: ArgumentHelp("The level of the log on standard error.", valueName: "level"))
    var logLevel: LogLevel = .warning

    /// The same as plain values.
    var settings: Settings {
        Settings(
            root: root, runRoot: runRoot, driver: driver, storageOptions: storageOptions,
            durability: durability, json: json, logLevel: logLevel)
    }
}

/// How much to tell.
enum LogLevel: String, CaseIterable, ExpressibleByArgument {
    case trace, debug, info, notice, warning, error, critical

    /// The same level, as the logging library names it.
    var level: Logger.Level { Logger.Level(rawValue: rawValue) ?? .warning }
}
