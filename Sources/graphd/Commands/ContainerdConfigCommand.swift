// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser

/// Prints what containerd's configuration needs.
struct ContainerdConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "containerd-config",
        abstract: "Prints the lines for containerd's config.toml.")

    @OptionGroup var places: PlaceOptions

    @Option(help: "What containerd calls the snapshotter.")
    var name = "graph"

    func validate() throws {
        let isKey = name.utf8.allSatisfy { byte in
            byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
        }
        if name.isEmpty || !isKey {
            throw ValidationError("the name is of small letters, digits, - and _")
        }
        for path in [places.address, places.root] where path.contains("\"") || path.contains("\\") {
            throw ValidationError("the path \(path) has a quote or a backslash")
        }
    }

    func run() throws {
        // `exports` is for containerd 1.7.16 and later, which watch that filesystem for images; older ones do not
        // look at it.
        print(
            """
            version = 2

            [proxy_plugins.\(name)]
              type = "snapshot"
              address = "\(places.address)"
              [proxy_plugins.\(name).exports]
                root = "\(places.root)"
            """)
    }
}
