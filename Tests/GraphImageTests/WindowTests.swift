// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What zstd makes a reader remember, several megabytes for each layer, stays within the memory that an
/// import may take, however many layers it reads at once.
@Suite(.serialized) struct WindowTests {
    /// The most that any run may take, in bytes.
    private static let memoryMax: UInt64 = 64 << 20

    @Test(arguments: DriverUnderTest.usableBelowTestBase, [23, 25])
    func `an image of layers with large windows is imported within 64 MiB`(
        _ subject: DriverUnderTest, windowLog: Int
    ) throws {
        try withScratchRoot { directory in
            let layout = directory.appending("image.oci")
            try Self.writeImage(to: layout, windowLog: windowLog, work: directory.appending("tar"))
            let command = GraphctlCommand(driver: subject.name, directory: directory)
            let result = try command.run(["import", layout.string])
            try #require(result.status == 0, "\(result.errors)")
            #expect(result.peakBytes < Self.memoryMax, "\(result.peakBytes) bytes")
            #expect(try command.succeed("ls", "--quiet").lines.count == 3)
            #expect(try command.succeed("check", "--deep").text == "")
        }
    }

    /// Writes an image of three layers, each larger than the window.
    private static func writeImage(
        to layout: FilePath, windowLog: Int, work tar: FilePath
    ) throws {
        var image = TestImage()
        var descriptors: [String] = []
        var digests: [Digest] = []
        for number in 0..<3 {
            let line = "layer \(number) of an image, as long as it takes\n"
            let text = String(repeating: line, count: (40 << 20) / line.utf8.count)
            let bytes = try TestImage.layer("file-\(number)", text)
            digests.append(Digest.of(bytes))
            try Data(bytes).write(to: URL(fileURLWithPath: tar.string))
            // From a pipe: of a file it would know the size, and take no more than that.
            let options = "--zstd=wlog=\(windowLog) --long=\(windowLog)"
            let script = #"zstd -q -1 \#(options) <"$0" >"$0.zst""#
            _ = try runCommand("bash", ["-c", script, tar.string])
            let packed = Array(try Data(contentsOf: URL(fileURLWithPath: tar.string + ".zst")))
            descriptors.append(image.add(packed, TestImage.layerType + "+zstd"))
        }
        image.entries.append(image.addImage(descriptors, diffIDs: digests))
        try image.write(to: layout)
    }
}
