// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore

/// A subcommand whose work can also be read from a line of common words, without the argument parser.
///
/// To find out what options there are takes the parser longer than most commands take, so the commands that
/// hosts run all day are tried as a ``CommonLine`` first. A line in which anything else stands is the
/// parser's, which alone knows what is wrong with it.
protocol CommonCommand: ParsableCommand {
    associatedtype Work: CommonAction

    var global: GlobalOptions { get }
    /// The work that the parsed properties describe.
    var action: Work { get }
}

extension CommonCommand {
    func run() throws { try action.perform(global.settings) }
}

/// The work of such a command.
protocol CommonAction: Action {
    /// Takes the words that the command knows; nil where one is missing.
    init?(_ line: inout CommonLine)
}

/// The words of a command line after the command's name, of which a command takes those that it knows.
///
/// Options are taken before arguments, so that what is left over has no option in it. Arrays and loops alone:
/// a generic collection costs a short command the search for its conformances.
package struct CommonLine {
    private var words: [String]
    /// What the options of all commands say.
    private(set) var settings = Settings()
    /// Whether a word is no value where one has to be.
    private var isBroken = false

    init(_ words: [String]) {
        self.words = words
        settings = Settings(&self)
    }

    /// The work of a command by its name, of those that are run most.
    private static func type(_ name: String) -> (any CommonAction.Type)? {
        switch name {
        case "create": CreateAction.self
        case "mount": MountAction.self
        case "unmount", "umount": UnmountAction.self
        case "rm": RemoveAction.self
        case "ls", "list": ListAction.self
        case "inspect": InspectAction.self
        case "changes": ChangesAction.self
        case "diff": DiffAction.self
        case "commit": CommitAction.self
        case "view": ViewAction.self
        default: nil
        }
    }

    /// What a whole command line asks for; nil where the argument parser has to read it.
    static func read(_ arguments: [String]) -> (settings: Settings, action: any CommonAction)? {
        let (options, rest) = GlobalOptionPlace.leading(arguments)
        guard let name = rest.first, let type = type(name) else { return nil }
        var line = CommonLine(Array(options + rest.dropFirst()))
        guard let action = type.init(&line), line.isRead else { return nil }
        return (line.settings, action)
    }

    /// Whether every word was taken, and every value was one.
    private var isRead: Bool { words.isEmpty && !isBroken }

    /// Takes a flag, by its long name and by its letter.
    mutating func flag(_ name: String, _ letter: Character? = nil) -> Bool {
        let short = letter.map { "-\($0)" }
        let found = words.firstIndex { word in
            word == short || word.hasPrefix("--") && word.dropFirst(2) == name
        }
        guard let found else { return false }
        words.remove(at: found)
        return true
    }

    /// Takes an option with its value, which is the next word or follows an equals sign.
    mutating func option(_ name: String, _ letter: Character? = nil) -> String? {
        let long = "--" + name
        let (assigned, short) = (long + "=", letter.map { "-\($0)" })
        for index in 0..<words.count {
            let word = words[index]
            if word.hasPrefix(assigned) {
                words.remove(at: index)
                // The parser takes the next word for the value where none follows the sign.
                if word.utf8.count == assigned.utf8.count { isBroken = true }
                return String(word.dropFirst(assigned.count))
            }
            guard word == long || word == short else { continue }
            words.remove(at: index)
            guard index < words.count, !words[index].hasPrefix("-") else {
                isBroken = true
                return nil
            }
            return words.remove(at: index)
        }
        return nil
    }

    /// Takes an option whose value is read as the argument parser reads it.
    mutating func option<Value>(
        _ name: String, _ letter: Character? = nil, _ read: (String) throws -> Value
    ) -> Value? {
        guard let text = option(name, letter) else { return nil }
        do {
            return try read(text)
        } catch {
            isBroken = true
            return nil
        }
    }

    /// Takes an option whose values have names.
    mutating func option<Value: RawRepresentable<String>>(_ name: String) -> Value? {
        guard let text = option(name) as String? else { return nil }
        let value = Value(rawValue: text)
        if value == nil { isBroken = true }
        return value
    }

    /// Takes an option as often as it is there.
    mutating func options<Value>(_ name: String, _ read: (String) throws -> Value) -> [Value] {
        var values: [Value] = []
        while let value = option(name, nil, read) { values.append(value) }
        return values
    }

    /// Takes the next argument, once all options were taken.
    mutating func argument() -> String? {
        guard let word = words.first, !word.hasPrefix("-") else { return nil }
        return words.removeFirst()
    }

    /// Takes all arguments that are left.
    mutating func arguments() -> [String] {
        var all: [String] = []
        while let next = argument() { all.append(next) }
        return all
    }
}

/// What the two ways to read a line make of it, for a comparison.
package enum LineReading {
    /// What the argument parser knows of all commands, as JSON.
    package static var declarations: String { Graphctl._dumpHelp() }

    /// The work as a line of common words; nil where it is no such line.
    package static func common(_ arguments: [String]) -> String? {
        CommonLine.read(arguments).map { "\($0.settings) \($0.action)" }
    }

    /// The same by the argument parser; nil where it refuses the line or the command is another.
    package static func parsed(_ arguments: [String]) -> String? {
        let command = try? Graphctl.parseAsRoot(GlobalOptionPlace.hoisting(arguments))
        guard let command = command as? any CommonCommand else { return nil }
        return "\(command.global.settings) \(command.action)"
    }
}
