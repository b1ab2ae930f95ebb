// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// Where the options of ``GlobalOptions`` may stand: also before the subcommand.
package enum GlobalOptionPlace {
    /// Moves options from before the subcommand to behind it, where they are parsed.
    package static func hoisting(_ arguments: [String]) -> [String] {
        let (options, rest) = leading(arguments)
        // Where no subcommand follows, these options have no meaning.
        guard let word = rest.first else { return [] }
        let command = Graphctl.formerNames[word] ?? word
        guard Graphctl.commandNames.contains(command) else { return Array(rest) }
        return [command] + options + rest.dropFirst()
    }

    /// The options that stand before the subcommand, and what comes after them.
    static func leading(
        _ arguments: [String]
    ) -> (options: ArraySlice<String>, rest: ArraySlice<String>) {
        var rest = arguments[...]
        while let argument = rest.first, argument.hasPrefix("-") {
            if argument == "--json" || valued.contains(where: { argument.hasPrefix($0 + "=") }) {
                rest.removeFirst()
            } else if valued.contains(argument), rest.count > 1 {
                rest.removeFirst(2)
            } else {
                break
            }
        }
        return (arguments[..<rest.startIndex], rest)
    }

    private static let valued = [
        "--root", "--run-root", "--driver", "--storage-opt", "--durability", "--log-level",
    ]
}
