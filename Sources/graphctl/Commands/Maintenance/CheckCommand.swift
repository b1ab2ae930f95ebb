// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphArchive
import GraphCore
import GraphStore
import SystemPackage

struct CheckCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Compares records, disk and kernel, and prints the differences.",
        discussion: """
            Changes nothing. Ends with status 2 when a record is wrong or data are lost, and with 0 \
            when there is only something to clear, which gc does.
            """)

    @Flag(help: "Compare the content of committed layers with their digests, too.")
    var deep = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "check" }

    func run(_ session: Session) throws(DriverError) {
        let observer = session.observer
        let findings = try findings(session, observer)
        session.progress?.erase()
        try session.print(findings: findings)
        if findings.contains(where: \.isDamage) { session.exitStatus = 2 }
    }

    /// What the store finds; a store that is too damaged to be opened is a finding itself.
    private func findings(
        _ session: Session, _ observer: WorkObserver
    ) throws(DriverError) -> [Finding] {
        do throws(DriverError) {
            return try session.store().check(deep: deep, observer: observer)
        } catch  where error.code == .storeDamaged {
            return [
                Finding(.databaseDamaged, try global.settings.rootPath().string, error.description)
            ]
        }
    }
}

extension Session {
    /// Prints findings: nothing when there are none.
    func print(findings: [Finding], _ others: [String: JSON] = [:]) throws(DriverError) {
        if settings.json {
            let list = JSON(findings) { finding in
                [
                    "kind": .string(finding.kind.rawValue),
                    "subject": .string(finding.subject),
                    "message": .string(finding.message),
                    "bytes": JSON(finding.bytes),
                    "damage": .bool(finding.isDamage),
                ]
            }
            try output.print(.object(others.merging(["findings": list]) { $1 }))
            return
        }
        if findings.isEmpty { return }
        var table = Table(["KIND", "SUBJECT", "BYTES", "MESSAGE"], right: [2])
        for finding in findings {
            table.add(
                finding.kind.rawValue, finding.subject, finding.bytes.map(String.init) ?? "-",
                finding.message)
        }
        try output.print(table)
    }
}
