// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphTestSupport
import SystemPackage

/// The main job on one driver, done step by step with the command; what each step showed is kept.
struct MainJob: Sendable {
    let command: GraphctlCommand
    /// The imported image's top layer.
    let top: String
    let imported: TreeSnapshot
    /// What programs of the image printed, run in the container.
    let verified: String
    let aptVersion: String
    let pythonOutput: String
    let perlOutput: String
    /// The container's tree after the work in it.
    let container: TreeSnapshot
    let changes: [String]
    let diff: FilePath
    let diffDigest: String
    /// Likewise for the container that changed hard links of the image.
    let linkedNames: TreeSnapshot
    let linkedNamesDiff: FilePath
    /// What a second container shows, on the first one sealed.
    let second: TreeSnapshot

    /// Disk usage of the store when it was empty, in bytes.
    private let emptyBytes: UInt64

    /// Does everything but the removal.
    init(_ driver: DriverUnderTest, image: TestImage, in directory: FilePath) throws {
        let command = GraphctlCommand(driver: driver.name, directory: directory)
        self.command = command
        // Makes the store and the directories that stay.
        try command.succeed("rm", try command.succeed("create").text)
        try command.succeed("gc")
        emptyBytes = try command.diskBytes()

        let top = try command.succeed("import", image.layout.string, "--name", image.tag).text
        self.top = top
        imported = try command.withView(of: top) { try TreeSnapshot(of: $0) }

        try command.succeed("create", "--id", "web", "--parent", top, "--label", "job=main")
        let place = FilePath(try command.succeed("mount", "web").text)
        verified = try ContainerWork.chroot(place, "dpkg", "--verify")
        aptVersion = try ContainerWork.chroot(place, "apt-get", "--version")
        pythonOutput = try ContainerWork.chroot(
            place, "python3", "-B", "-c", "import os; print(len(os.listdir('/etc')) > 9, 6 * 7)")
        perlOutput = try ContainerWork.chroot(
            place, "perl", "-e", #"print "perl ", -p "/srv/queue" ? "sees" : "lacks", " a pipe""#)
        try ContainerWork.run(ContainerWork.everything, in: place)
        container = try TreeSnapshot(of: place)
        changes = try command.succeed("changes", "web").lines
        diff = directory.appending("web.tar")
        try command.succeed("diff", "web", "-o", diff.string)
        diffDigest = String(try runCommand("sha256sum", [diff.string]).prefix(64))
        try command.succeed("unmount", "web")

        try command.succeed("create", "--id", "links", "--parent", top)
        linkedNames = try command.withMount("links") { place in
            try ContainerWork.run(ContainerWork.linkedNames, in: place)
            return try TreeSnapshot(of: place.appending("usr").appending("bin"))
        }
        linkedNamesDiff = directory.appending("links.tar")
        try command.succeed("diff", "links", "-o", linkedNamesDiff.string)

        try command.succeed("commit", "web", "--id", "web-1")
        try command.succeed("create", "--id", "second", "--parent", "web-1")
        second = try command.withMount("second") { try TreeSnapshot(of: $0) }
    }

    /// What this store shows of a diff applied over the image.
    func applied(_ diff: FilePath, showing directory: String? = nil) throws -> TreeSnapshot {
        // With an id of its own: without one, the sealed container would be found to be this layer.
        let layer = try command.succeed(
            "apply", "--id", "applied", "--parent", top, diff.string
        ).text
        let shown = try command.withView(of: layer) { place in
            try TreeSnapshot(of: directory.map { place.pushing(FilePath($0)) } ?? place)
        }
        try command.succeed("rm", layer)
        return shown
    }

    /// What is left after everything was removed, and what `check` says before and after.
    func remove() throws -> Remains {
        let before = try command.succeed("check", "--deep").text
        try command.succeed("rm", "second", "links", "web-1")
        // With all its layers.
        try command.succeed("rmi", top)
        try command.succeed("gc")
        let findings = [
            before, try command.succeed("check").text, try command.succeed("check", "--deep").text,
        ]
        return Remains(
            findings: findings, layers: try command.succeed("ls", "--quiet").lines,
            bytes: try command.diskBytes(), bytesWhenEmpty: emptyBytes)
    }
}

/// What a store holds after everything was removed.
struct Remains: Sendable {
    /// Of `check --deep` before the removal, and of `check` and `check --deep` after it.
    let findings: [String]
    let layers: [String]
    /// Disk usage without the database.
    let bytes: UInt64
    let bytesWhenEmpty: UInt64
}
