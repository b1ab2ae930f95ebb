// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import Synchronization
import SystemPackage
import Testing

/// What `ParallelWork` promises.
@Suite struct ParallelWorkTests {
    private struct Stop: Error, Equatable {
        let job: Int
    }

    @Test(arguments: [1, 2, 3, 8])
    func `every job is done once, those that jobs add too`(_ threads: Int) throws {
        let done = Mutex<[Int: Int]>([:])
        // Each number adds twice itself and one more, as a heap's children.
        try ParallelWork<Int, Stop>.run(1, threadsMax: threads) { job, work throws(Stop) in
            done.withLock { $0[job, default: 0] += 1 }
            for next in [job * 2, job * 2 + 1] where next < 5_000 { work.add(next) }
        }
        let counts = done.withLock { $0 }
        #expect(counts.count == 4_999)
        #expect(counts.values.allSatisfy { $0 == 1 })
    }

    @Test(arguments: [1, 4])
    func `the first failure is thrown, and no job is begun after it`(_ threads: Int) throws {
        let begun = Atomic<Int>(0)
        let error = #expect(throws: Stop.self) {
            try ParallelWork<Int, Stop>.run(0, threadsMax: threads) { job, work throws(Stop) in
                begun.add(1, ordering: .relaxed)
                guard job == 0 else {
                    throw Stop(job: job)
                }
                for next in 1...10_000 { work.add(next) }
            }
        }
        #expect(error != nil)
        #expect(begun.load(ordering: .relaxed) <= 1 + threads)
    }

    @Test func `the caller waits for every thread`() throws {
        for _ in 0..<200 {
            let running = Atomic<Int>(0)
            try ParallelWork<Int, Stop>.run(6, threadsMax: 4) { job, work throws(Stop) in
                running.add(1, ordering: .sequentiallyConsistent)
                if job > 0 {
                    work.add(job - 1)
                    work.add(job - 1)
                }
                running.subtract(1, ordering: .sequentiallyConsistent)
            }
            #expect(running.load(ordering: .sequentiallyConsistent) == 0)
        }
    }
}
