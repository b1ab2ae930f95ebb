// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// Where the options of ``GlobalOptions`` may stand: also before the subcommand.
package enum GlobalOptionPlace {
    /// Moves options from before the subcommand to behind it, where they are parsed.
    package static func hoisting(_ arguments: [String]) -> [String] {
        let valued = [
            "--root", "--run-root", "--driver", "--storage-opt", "--durability", "--log-level",
        ]
        var hoisted: [String] = []
        var rest = arguments[...]
        while let argument = rest.first {
            if argument == "--json" || valued.contains(where: { argument.hasPrefix($0 + "=") }) {
                hoisted.append(argument)
                rest.removeFirst()
            } else if valued.contains(argument), rest.count > 1 {
                hoisted.append(contentsOf: rest.prefix(2))
                rest.removeFirst(2)
            } else {
                break
            }
        }
        // Where no subcommand follows, these options have no meaning.
        guard let word = rest.first else { return [] }
        let command = Graphctl.formerNames[word] ?? word
        guard Graphctl.commandNames.contains(command) else { return Array(rest) }
        return [command] + hoisted + rest.dropFirst()
    }
}
