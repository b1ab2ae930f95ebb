// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphBuiltins
import GraphStore
import Logging
import SystemPackage

/// Serves until a signal asks for the end.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serves a store until SIGTERM or SIGINT (the default).")

    @OptionGroup var places: PlaceOptions

    @Option(
        name: .customLong("run-root"),
        help: ArgumentHelp("Where it keeps what a reboot ends.", valueName: "dir"))
    var runRoot = "/run/graphd"

    @Option(help: "The driver of a new store; default: the best one that works there.")
    var driver: String?

    @Option(help: "Whose snapshots these are: one word for each containerd that uses the store.")
    var scope = "containerd"

    @Option(
        name: .customLong("log-level"),
        help: ArgumentHelp(
            "One of trace, debug, info, warning, error, critical.", valueName: "level"))
    var logLevel = "info"

    func validate() throws {
        if Logger.Level(rawValue: logLevel) == nil {
            throw ValidationError("there is no log level \(logLevel)")
        }
        if scope.isEmpty || scope.contains("/") {
            throw ValidationError("the scope is a word without a slash")
        }
    }

    func run() async throws {
        let level = Logger.Level(rawValue: logLevel) ?? .info
        let logger = Logger(label: "graphd") { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
        let address = FilePath(places.address)
        let socket = try ServerSocket.take(address)
        var configuration = LayerStore.Configuration(
            root: FilePath(places.root), runRoot: FilePath(runRoot), driver: driver)
        configuration.logger = logger
        let store = try LayerStore(
            configuration, drivers: BuiltinDrivers.all, chooseDriver: BuiltinDrivers.automatic)
        let server = Server(SnapshotStore(store, scope: scope), at: address, logger)
        try await server.run {
            try socket.restrict()
            try ServiceManager.tell("READY=1")
        }
        socket.close()
    }
}
