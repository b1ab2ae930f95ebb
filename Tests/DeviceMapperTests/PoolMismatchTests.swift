// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// A store whose pool is from another time.
@Suite(.serialized, .usable("devicemapper")) struct PoolMismatchTests {
    @Test func `nothing is changed, check ends with 2, and each command says what to do`() throws {
        let subject = try #require(DriverUnderTest.all.first { $0.name == "devicemapper" })
        try subject.withDirectory { directory in
            let command = GraphctlCommand(driver: subject.name, directory: directory)
            try command.succeed("create", "--id", "kept")
            let listed = try command.succeed("ls", "--json").text
            let file = command.root.appending("devicemapper/pool/transaction")
            let known = try file.readText()
            let wrong = String((UInt64(known.dropLast()) ?? 0) + 7)
            try file.write(String(repeating: "0", count: 20 - wrong.count) + wrong + "\n")
            for verb in [
                ["rm", "kept"], ["create"], ["commit", "kept"], ["mount", "kept"], ["gc"],
                ["label", "kept", "a=b"], ["gc", "--orphans"],
            ] {
                let result = try command.run(verb)
                #expect(result.status == 1, "\(verb) \(result.text)")
                #expect(result.errors.contains("transaction"), "\(verb): \(result.errors)")
            }
            let check = try command.run(["check"])
            #expect(check.status == 2 && check.text.contains("driver_mismatched"))
            #expect(check.text.contains("transaction"))
            #expect(try command.succeed("ls", "--json").text == listed)
            try file.write(known)
            #expect(try command.succeed("check", "--deep").text.isEmpty)
            try command.succeed("rm", "kept")
        }
    }
}
