// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphTestSupport
import SystemPackage
import Testing

/// The main job, done once on every driver; the tests look at what came of it.
struct MainJobReport: Sendable {
    /// By driver.
    let jobs: [String: MainJob]
    /// What umoci unpacks of the image, or GNU tar where this is not the whole job.
    let image: TreeSnapshot
    /// The image with the container's diff over it, by GNU tar.
    let extractedByTar: TreeSnapshot
    /// The same by umoci; nil where this is not the whole job.
    let unpackedByUmoci: TreeSnapshot?
    /// The diff of each driver, applied by each driver.
    let applied: [Crossing: TreeSnapshot]
    /// The diff of the container that changed hard links, likewise.
    let linkedNames: [Crossing: TreeSnapshot]
    /// Ids that archives of the image got in new stores, by driver.
    let archives: [String: [String]]
    /// By driver.
    let remains: [String: Remains]

    /// A diff's way from one driver to another.
    struct Crossing: Hashable, Sendable {
        let from: String
        let to: String
    }

    /// Whether umoci and archives are part of it: in user-mode Linux, where a system call takes a
    /// hundred times as long, they are only in the soak.
    static let isWhole =
        ProcessInfo.processInfo.environment["UML"] == nil || SeededGenerator.isSoak

    /// What the image's tree by GNU tar can be asked for: extracting into a directory of which a layer
    /// says nothing gives that a new time, which umoci puts right.
    static let referenceAspects: TreeSnapshot.Aspects =
        isWhole ? .standard : TreeSnapshot.Aspects.standard.subtracting(.directoryTimes)

    @TaskLocal static var current: MainJobReport?

    /// Does the job, with each driver in a directory of its own and the rest below `directory`.
    init(
        _ debian: TestImage, _ places: [(driver: DriverUnderTest, directory: FilePath)],
        in directory: FilePath
    ) throws {
        var jobs: [String: MainJob] = [:]
        for place in places {
            jobs[place.driver.name] = try MainJob(place.driver, image: debian, in: place.directory)
        }
        self.jobs = jobs

        var applied: [Crossing: TreeSnapshot] = [:]
        var linkedNames: [Crossing: TreeSnapshot] = [:]
        for source in jobs.values {
            for target in jobs.values {
                let crossing = Crossing(from: source.command.driver, to: target.command.driver)
                // Diffs that are the same bytes need not be applied twice.
                let isNew = source.command.driver != target.command.driver || jobs.count == 1
                if isNew { applied[crossing] = try target.applied(source.diff) }
                linkedNames[crossing] = try target.applied(
                    source.linkedNamesDiff, showing: "usr/bin")
            }
        }
        (self.applied, self.linkedNames) = (applied, linkedNames)

        let tree =
            try Self.isWhole
            ? unpackByUmoci(debian.layout, tag: debian.tag, into: directory.appending("image"))
            : unpackByTar(debian, into: directory.appending("image"))
        image = try TreeSnapshot(of: tree)
        guard let diff = jobs.values.first?.diff else { throw CancellationError() }
        try applyByTar(diff, to: tree)
        extractedByTar = try TreeSnapshot(of: tree)
        try directory.appending("image").remove()

        if Self.isWhole {
            let copy = directory.appending("layout")
            try addLayerByUmoci(diff, to: debian, copy: copy)
            unpackedByUmoci = try TreeSnapshot(
                of: try unpackByUmoci(copy, tag: debian.tag, into: directory.appending("changed")))
            try directory.appending("changed").remove()
            archives = try Self.importArchives(of: debian, places.map(\.driver))
        } else {
            (unpackedByUmoci, archives) = (nil, [:])
        }
        remains = try jobs.mapValues { try $0.remove() }
    }

    private static func importArchives(
        of debian: TestImage, _ drivers: [DriverUnderTest]
    ) throws -> [String: [String]] {
        var ids: [String: [String]] = [:]
        for driver in drivers {
            for archive in [debian.archive, debian.dockerArchive] {
                let id = try driver.withDirectory { place in
                    let command = GraphctlCommand(driver: driver.name, directory: place)
                    let id = try command.succeed("import", archive.string).text
                    // The digests of what lies in the store are those that the archive's layers
                    // have.
                    try command.succeed("check", "--deep")
                    return id
                }
                ids[driver.name, default: []].append(id)
            }
        }
        return ids
    }
}

/// Does the main job before the tests of a suite, and clears up after them.
struct MainJobScope: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void
    ) async throws {
        let debian = try #require(TestImage.debian)
        let report = try withScratchRoot { directory in
            try withPlaces(DriverUnderTest.usable[...], []) {
                try MainJobReport(debian, $0, in: directory)
            }
        }
        try await MainJobReport.$current.withValue(report) { try await body() }
    }

    /// Lends a directory for each driver.
    private func withPlaces<Value>(
        _ drivers: ArraySlice<DriverUnderTest>,
        _ places: [(driver: DriverUnderTest, directory: FilePath)],
        _ body: ([(driver: DriverUnderTest, directory: FilePath)]) throws -> Value
    ) throws -> Value {
        guard let driver = drivers.first else { return try body(places) }
        return try driver.withDirectory {
            try withPlaces(drivers.dropFirst(), places + [(driver, $0)], body)
        }
    }
}
