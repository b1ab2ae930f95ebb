// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc

/// Jobs that beget jobs, worked off by as many threads as there are processors.
///
/// The newest job is taken first, so a tree is walked depth first and few jobs wait at any time.
public final class ParallelWork<Job: Sendable, Failure: Error>: @unchecked Sendable {
    /// What one job does; it may ``add(_:)`` others.
    public typealias Body = @Sendable (Job, ParallelWork<Job, Failure>) throws(Failure) -> Void

    private let body: Body
    private let threadsMax: Int
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    // All of these belong to `lock`.
    private var jobs: [Job] = []
    private var running = 0
    private var waiting = 0
    private var failure: Failure?
    private var threads: [pthread_t] = []

    private init(threadsMax: Int, body: @escaping Body) {
        (self.body, self.threadsMax) = (body, threadsMax)
        pthread_mutex_init(lock, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_mutex_destroy(lock)
        pthread_cond_destroy(changed)
        lock.deallocate()
        changed.deallocate()
    }

    /// Does `first` and every job that comes of it, and returns when all are done.
    ///
    /// `threadsMax` counts the caller's thread. Throws the first failure: no job is begun after it,
    /// and those running are waited for.
    public static func run(
        _ first: Job, threadsMax: Int = processorCount, _ body: @escaping Body
    ) throws(Failure) {
        let work = ParallelWork(threadsMax: threadsMax, body: body)
        work.jobs = [first]
        work.takeJobs()
        // The caller saw the end or a failure: no thread is started after either.
        for thread in work.threads { pthread_join(thread, nil) }
        if let failure = work.failure { throw failure }
    }

    /// Adds a job.
    public func add(_ job: Job) {
        locked {
            jobs.append(job)
            if waiting > 0 {
                pthread_cond_signal(changed)
            } else if threads.count + 1 < threadsMax, failure == nil {
                startThread()
            }
        }
    }

    private func locked<Value>(_ body: () -> Value) -> Value {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return body()
    }

    /// Takes jobs until none is left and none runs that could add one.
    private func takeJobs() {
        while let job = locked({ nextJob() }) {
            do throws(Failure) {
                try body(job, self)
                locked { running -= 1 }
            } catch {
                locked {
                    running -= 1
                    failure = failure ?? error
                }
            }
        }
        locked { _ = pthread_cond_broadcast(changed) }
    }

    private func nextJob() -> Job? {
        while failure == nil {
            if let job = jobs.popLast() {
                running += 1
                return job
            }
            if running == 0 { return nil }
            waiting += 1
            pthread_cond_wait(changed, lock)
            waiting -= 1
        }
        return nil
    }

    private func startThread() {
        let start = Unmanaged.passRetained(ThreadStart { self.takeJobs() })
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue().body()
                return nil
            }, start.toOpaque())
        if result == 0 {
            threads.append(thread)
        } else {
            // The threads there are do the work.
            start.release()
        }
    }
}

/// The processors that this process may use.
public var processorCount: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

private final class ThreadStart {
    let body: () -> Void

    init(_ body: @escaping () -> Void) { self.body = body }
}
