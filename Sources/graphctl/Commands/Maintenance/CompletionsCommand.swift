// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore

struct CompletionsCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions", abstract: "Prints a script that completes command lines.")

    /// A shell that scripts are made for.
    enum Shell: String, CaseIterable, ExpressibleByArgument {
        case bash, zsh, fish
    }

    @Argument(help: "The shell.")
    var shell: Shell

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "completions" }

    func run(_ session: Session) throws(DriverError) {
        let kind: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        try session.output.write(escaped: Graphctl.completionScript(for: kind) + "\n")
    }
}
