// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphTestSupport
import Testing

/// Which driver hears which option.
@Suite struct OptionTests {
    /// An option of each driver, as one configuration for all of them has.
    private static let all = [
        "overlay.metacopy=off", "btrfs.changes=compare", "dm.basesize=1G", "vfs.mountopt=nodev",
    ]

    @Test(arguments: DriverUnderTest.usable.filter { $0.name != "devicemapper" })
    func `options of other drivers are not heard`(_ subject: DriverUnderTest) throws {
        try subject.withDirectory { directory in
            let command = GraphctlCommand(driver: subject.name, directory: directory)
            try command.succeed(["init"] + Self.all.flatMap { ["--storage-opt", $0] })
            let refused = try command.run(["ls", "--storage-opt", "\(subject.name).nonesuch=1"])
            #expect(refused.status == 1 && refused.errors.contains("nonesuch"))
            let unknown = try command.run(["ls", "--storage-opt", "nonesuch=1"])
            #expect(unknown.status == 1 && unknown.errors.contains("nonesuch"))
        }
    }

    @Test func `wrong usage is told in a line, with where to look`() throws {
        try withScratchRoot { directory in
            let command = GraphctlCommand(driver: "vfs", directory: directory)
            for (arguments, told) in [
                (["mout", "web"], "graphctl: unknown command mout"),
                (["mount"], "graphctl: Missing expected argument '<layer>'"),
                (["ls", "--log-level", "loud"], "one of the following: trace, debug, info,"),
            ] {
                let result = try command.run(arguments)
                let lines = result.errors.split(separator: "\n")
                #expect(result.status == 64 && lines.count == 2, "\(result.errors)")
                #expect(lines.first?.contains(told) == true, "\(result.errors)")
                #expect(lines.last?.contains("--help") == true && result.text == "")
            }
        }
    }
}
