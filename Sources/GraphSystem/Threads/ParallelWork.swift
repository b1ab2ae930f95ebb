// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc

/// Jobs that beget jobs, worked off by as many threads as there are processors.
///
/// The newest job is taken first, so a tree is walked depth first and few jobs wait at any time.
package final class ParallelWork<Job: Sendable, Failure: Error>: Sendable {
    /// What one job does; it may ``add(_:)`` others.
    package typealias Body = @Sendable (Job, ParallelWork<Job, Failure>) throws(Failure) -> Void

    private struct State {
        var jobs: [Job]
        var running = 0
        var failure: Failure?
        var threads: [WorkerThread] = []
    }

    private let body: Body
    private let threadsMax: Int
    private let state: Monitor<State>

    private init(_ first: Job, threadsMax: Int, body: @escaping Body) {
        (self.body, self.threadsMax) = (body, threadsMax)
        state = Monitor(State(jobs: [first]))
    }

    /// Does `first` and every job that comes of it, and returns when all are done.
    ///
    /// `threadsMax` counts the caller's thread. Throws the first failure: no job is begun after it,
    /// and those running are waited for.
    package static func run(
        _ first: Job, threadsMax: Int = processorCount, _ body: @escaping Body
    ) throws(Failure) {
        let work = ParallelWork(first, threadsMax: threadsMax, body: body)
        work.takeJobs()
        // The caller saw the end or a failure: no thread is started after either.
        for thread in work.state.change({ $0.threads }) { thread.join() }
        if let failure = work.state.change({ $0.failure }) { throw failure }
    }

    /// Whether few jobs wait: so few that a thread might soon find none, and sleep.
    ///
    /// For jobs that can do themselves what they could add.
    package var isHungry: Bool { state.look { $0.jobs.count } < 4 * threadsMax }

    /// Adds a job.
    package func add(_ job: Job) {
        state.change { state in
            state.jobs.append(job)
            let areAllBusy = state.running == state.threads.count + 1
            let wantsThread =
                areAllBusy && state.threads.count + 1 < threadsMax && state.failure == nil
            // Where there can be no further thread, those there are do the work.
            if wantsThread, let thread = try? WorkerThread({ self.takeJobs() }) {
                state.threads.append(thread)
            }
        }
    }

    /// Takes jobs until none is left and none runs that could add one.
    private func takeJobs() {
        while let job = nextJob() {
            do throws(Failure) {
                try body(job, self)
                state.change { $0.running -= 1 }
            } catch {
                state.change { state in
                    state.running -= 1
                    state.failure = state.failure ?? error
                }
            }
        }
    }

    private func nextJob() -> Job? {
        state.wait { state in
            if state.failure != nil { return .done(nil) }
            if let job = state.jobs.popLast() {
                state.running += 1
                return .done(job)
            }
            return state.running == 0 ? .done(nil) : .again
        }
    }
}

/// The processors that this process may use.
package var processorCount: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }
