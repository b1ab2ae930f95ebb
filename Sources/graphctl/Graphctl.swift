// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphSystem

/// The command; its parts are the subcommands.
@main struct Graphctl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "graphctl",
        abstract: "Manages container image layers and copy-on-write layers on top of them.",
        discussion: """
            Layers are named by their id or by the start of it that no other layer has; the name or id \
            of an image stands for its topmost layer. Options of all commands may stand before or \
            after the command.
            """,
        version: "0.1.0",
        groupedSubcommands: [
            CommandGroup(
                name: "Layers",
                subcommands: [
                    CreateCommand.self, ViewCommand.self, CommitCommand.self, ApplyCommand.self,
                    LabelCommand.self, RemoveCommand.self,
                ]),
            CommandGroup(
                name: "Images",
                subcommands: [
                    ImportCommand.self, ExportCommand.self, ImagesCommand.self, TagCommand.self,
                    UntagCommand.self,
                    RemoveImageCommand.self,
                ]),
            CommandGroup(
                name: "Content",
                subcommands: [
                    MountCommand.self, UnmountCommand.self, ChangesCommand.self, DiffCommand.self,
                ]),
            CommandGroup(
                name: "Inspection",
                subcommands: [
                    ListCommand.self, TreeCommand.self, InspectCommand.self, UsageCommand.self,
                    DiskUsageCommand.self, InfoCommand.self, ProbeCommand.self,
                ]),
            CommandGroup(
                name: "Maintenance",
                subcommands: [
                    InitCommand.self, CheckCommand.self, CollectCommand.self, LoopImageCommand.self,
                    PoolCommand.self, CompletionsCommand.self,
                ]),
        ])

    static let _errorPrefix = "graphctl: "

    static func main() {
        StandardStream.fillGaps()
        CurrentProcess.ignoreBrokenPipes()
        let arguments = Array(CommandLine.arguments.dropFirst())
        if let argument = CurrentProcess.argumentThatIsNoText {
            // What stands in its place in `arguments` would name another file.
            let shown = String(decoding: printable(Array(argument.bytes)), as: UTF8.self)
            refuse("the argument \(shown) is not UTF-8", arguments)
        }
        if arguments == ["--version"] {
            // Asked often, by scripts, and answered without building the tree of commands.
            print(configuration.version)
            return
        }
        CurrentProcess.raiseDescriptorLimit()
        CurrentProcess.returnLargeBuffers()
        var hoisted: [String] = []
        do {
            if let (settings, action) = CommonLine.read(arguments) {
                try action.perform(settings)
                return
            }
            hoisted = GlobalOptionPlace.hoisting(arguments)
            var command = try parseAsRoot(hoisted)
            try command.run()
        } catch let failure as Failure {
            failure.report()
            exit(withError: ExitCode.failure)
        } catch {
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
            // The whole text has all options of the command in it, which hide the sentence.
            let hint = fullMessage(for: error).split(separator: "\n").last.map(String.init)
            if let word = hoisted.first, !word.hasPrefix("-"), !commandNames.contains(word) {
                refuse("unknown command \(word)", arguments, hint: hint)
            }
            // A list of values has a line for each.
            let message = message(for: error).replacing(":\n  - ", with: ": ")
                .replacing("\n  - ", with: ", ")
            refuse(message, arguments, hint: hint)
        }
    }

    /// Ends with the status of wrong usage.
    private static func refuse(
        _ message: String, _ arguments: [String], hint: String? = nil
    ) -> Never {
        Failure.printLine("graphctl: \(message)")
        if let hint { Failure.printLine(hint) }
        if arguments.contains("--json") {
            Failure.printObject(code: "usage", message: message)
        }
        exit(withError: ExitCode.validationFailure)
    }

    /// Names that commands had before, and have still for those who know them.
    static let formerNames = ["bed": LoopImageCommand._commandName]

    /// The words that stand for a subcommand.
    static var commandNames: [String] {
        configuration.subcommands.flatMap { type in
            [type._commandName] + type.configuration.aliases
        }
    }
}
