// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphArchive
import GraphBuiltins
import GraphCore
import GraphStore
import GraphSystem
import Logging
import SystemPackage

/// The work of a subcommand on a store.
protocol Action {
    /// What is attempted, as the line about its failure says it: `mount web`.
    var attempt: String { get }

    /// Does the work and prints what came of it.
    func run(_ session: Session) throws(DriverError)
}

extension Action {
    /// Does the work, and throws what the caller reports.
    func perform(_ settings: Settings) throws {
        let session = Session(settings) { attempt }
        do throws(DriverError) {
            try run(session)
            try session.output.flush()
        } catch {
            session.progress?.erase()
            // What was printed before the failure happened.
            try? session.output.flush()
            throw Failure(attempt: attempt, error: error, isJSON: settings.json)
        }
        if session.exitStatus != 0 { throw ExitCode(session.exitStatus) }
    }
}

/// A subcommand that is its own work.
protocol GraphCommand: ParsableCommand, Action {
    var global: GlobalOptions { get }
}

extension GraphCommand {
    func run() throws { try perform(global.settings) }
}

/// What a subcommand works with.
final class Session {
    let settings: Settings
    let output = Output()
    let progress: ProgressBar?
    /// The status to end with when nothing was thrown.
    var exitStatus: Int32 = 0
    private let attempt: () -> String

    init(_ settings: Settings, attempt: @escaping () -> String) {
        (self.settings, self.attempt) = (settings, attempt)
        progress = StandardStream.error.isTerminal ? ProgressBar() : nil
    }

    /// Draws the progress bar, and stops the work when a signal asks for it.
    var observer: WorkObserver {
        CurrentProcess.catchInterruption()
        let bar = progress
        return WorkObserver(
            isCancelled: { CurrentProcess.isInterrupted }, progressed: { bar?.update($0) })
    }

    /// Stops the work as ``observer`` does, and leaves the progress bar to somebody else.
    var stopper: WorkObserver {
        CurrentProcess.catchInterruption()
        return WorkObserver(isCancelled: { CurrentProcess.isInterrupted })
    }

    /// Opens the store, which may be one that can only be read.
    func store(
        _ expected: LayerStore.Configuration.Expectation = .existing, loopImage: NewLoopImage? = nil
    ) throws(DriverError) -> LayerStore {
        var configuration = LayerStore.Configuration(
            root: try settings.rootPath(), runRoot: settings.runRootPath(),
            driver: try settings.driverName())
        configuration.expects = expected
        configuration.durability = try settings.durabilityOrDefault()
        configuration.options = settings.storageOptions.dictionary
        configuration.loopImage = loopImage
        let level = settings.logLevel.level
        configuration.logger = Logger(label: "graphctl") { _ in LineLogHandler(logLevel: level) }
        return try LayerStore(
            configuration, drivers: BuiltinDrivers.all, chooseDriver: BuiltinDrivers.automatic)
    }

    /// Tells a person that something went wrong that does not fail the command.
    func warn(_ message: String) {
        progress?.erase()
        Failure.printLine("graphctl: \(attempt()): \(message)")
    }
}
