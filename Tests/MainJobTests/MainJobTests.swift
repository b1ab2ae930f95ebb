// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphTestSupport
import Testing

/// The main job on a real Debian image, with the command, on every driver: import, create, mount,
/// run, change, show and export what changed, seal, build on it, remove everything.
@Suite(.realImage, .serialized, MainJobScope()) struct MainJobTests {
    private let report: MainJobReport

    init() throws { report = try #require(MainJobReport.current) }

    private func job(_ subject: DriverUnderTest) throws -> MainJob {
        try #require(report.jobs[subject.name])
    }

    @Test(arguments: DriverUnderTest.usable)
    func `an imported image is the tree that other programs unpack`(
        _ subject: DriverUnderTest
    ) throws {
        let differences = try job(subject).imported.differences(
            from: report.image, in: MainJobReport.referenceAspects)
        #expect(differences == [])
        #expect(report.image.paths.count > 5_000)
    }

    @Test(arguments: DriverUnderTest.usable)
    func `an image has the same chain from a layout, an oci-archive and a docker-archive`(
        _ subject: DriverUnderTest
    ) throws {
        let job = try job(subject)
        #expect(report.archives[subject.name] == [job.top, job.top])
        #expect(Set(report.jobs.values.map(\.top)) == [job.top])
    }

    @Test(arguments: DriverUnderTest.usable)
    func `programs of the image run in a container layer`(_ subject: DriverUnderTest) throws {
        let job = try job(subject)
        #expect(job.verified == "")
        #expect(job.aptVersion.hasPrefix("apt 2."))
        #expect(job.pythonOutput == "True 42\n")
        #expect(job.perlOutput == "perl sees a pipe")
    }

    @Test(arguments: DriverUnderTest.usable)
    func `the changes of a container are those between two snapshots`(
        _ subject: DriverUnderTest
    ) throws {
        let job = try job(subject)
        let expected = ExpectedChanges.lines(from: job.imported, to: job.container)
        let difference = job.changes.difference(from: expected.map(printed))
        #expect(Array(difference) == [])
        #expect(expected.contains("M /usr/share/common-licenses/BSD"))
        #expect(expected.contains("D /usr/share/ca-certificates"))
    }

    /// A line end in a name would end the line.
    private func printed(_ line: String) -> String { line.replacing("\n", with: "\\012") }

    /// What differs from the container's tree and should have been in its diff.
    ///
    /// A directory of which only the time is another is no change, and the root never is one.
    private func untold(
        _ tree: TreeSnapshot, _ job: MainJob, in aspects: TreeSnapshot.Aspects = .standard
    ) -> [String] {
        tree.differences(from: job.container, in: aspects).filter { line in
            !line.hasPrefix(".: mtime is ") && !line.hasPrefix("usr/share/doc: mtime is ")
        }
    }

    @Test func `the same changes give the same diff on every driver`() {
        #expect(Set(report.jobs.values.map(\.diffDigest)).count == 1)
    }

    @Test func `a diff applied by any driver gives the tree that was mounted`() throws {
        for (crossing, applied) in report.applied {
            let source = try #require(report.jobs[crossing.from])
            #expect(untold(applied, source) == [], "\(crossing)")
        }
    }

    @Test func `a diff of changed hard links gives the names that were mounted, on every driver`()
        throws
    {
        for (crossing, applied) in report.linkedNames {
            let source = try #require(report.jobs[crossing.from])
            #expect(applied.differences(from: source.linkedNames) == [], "\(crossing)")
        }
    }

    @Test func `a diff extracted over its parent by GNU tar gives the tree that was mounted`()
        throws
    {
        for job in report.jobs.values {
            #expect(untold(report.extractedByTar, job, in: MainJobReport.referenceAspects) == [])
        }
    }

    @Test func `a diff unpacked as a layer by umoci gives the tree that was mounted`() throws {
        for job in report.jobs.values {
            #expect(untold(try #require(report.unpackedByUmoci), job) == [])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a second container starts with what the first one was when it was sealed`(
        _ subject: DriverUnderTest
    ) throws {
        let job = try job(subject)
        #expect(job.second.differences(from: job.container) == [])
    }

    @Test(arguments: DriverUnderTest.usable)
    func `removing everything leaves nothing to find and the disk as it was`(
        _ subject: DriverUnderTest
    ) throws {
        let remains = try #require(report.remains[subject.name])
        #expect(remains.findings == ["", "", ""])
        #expect(remains.layers == [])
        #expect(remains.bytes == remains.bytesWhenEmpty)
    }
}
