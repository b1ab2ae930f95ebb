// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser

/// The daemon: containerd's snapshotter over a layer store.
@main struct Graphd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "graphd",
        abstract: "Serves a layer store to containerd, as a snapshotter.",
        subcommands: [ServeCommand.self, ContainerdConfigCommand.self],
        defaultSubcommand: ServeCommand.self)
}

/// Where the store and the socket are.
struct PlaceOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Where the store is.", valueName: "dir"))
    var root = "/var/lib/graphd"

    @Option(help: ArgumentHelp("The unix socket to serve at.", valueName: "path"))
    var address = "/run/graphd/graphd.sock"
}
