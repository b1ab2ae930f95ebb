// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphBuiltins
import GraphCore
import GraphStore
import GraphSystem
import SystemPackage

struct ProbeCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Tests what each driver needs from this machine, below the root.",
        discussion: "With --driver only that one is tried. Leaves nothing on disk.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "probe" }

    /// What was found out about one driver.
    private struct Probed {
        let name: String
        let requirements: [Requirement]

        var isUsable: Bool { requirements.allSatisfy { $0.isMet || $0.isOptional } }
    }

    func run(_ session: Session) throws(DriverError) {
        let drivers =
            if let name = try global.settings.driverName() {
                [try BuiltinDrivers.named(name)]
            } else {
                BuiltinDrivers.all
            }
        let (probed, choice) = try LoopImageControl.withLayersRoot(
            of: try global.settings.rootPath()
        ) {
            (root) throws(DriverError) in
            let place = try ProbePlace(root)
            defer { place.clear() }
            let probed = drivers.map { Probed(name: $0.name, requirements: $0.probe(root: root)) }
            return (probed, try? BuiltinDrivers.automatic(root: root))
        }
        if global.json {
            try session.output.print([
                "drivers": JSON(probed, Self.json), "automatic_choice": JSON(choice?.name),
            ])
            return
        }
        var table = Table(["DRIVER", "REQUIREMENT", "NEED", "RESULT"])
        for driver in probed {
            for requirement in driver.requirements {
                table.add(
                    driver.name, requirement.name, requirement.isOptional ? "optional" : "required",
                    requirement.refusal.map { "refused: \($0)" } ?? "works")
            }
        }
        try session.output.print(table)
        for driver in probed {
            try session.output.print("\(driver.name): \(driver.isUsable ? "usable" : "not usable")")
        }
        try session.output.print("automatic choice: \(choice?.name ?? "none")")
    }

    private static func json(_ driver: Probed) -> JSON {
        [
            "name": .string(driver.name), "usable": .bool(driver.isUsable),
            "requirements": JSON(driver.requirements) { requirement in
                [
                    "name": .string(requirement.name), "optional": .bool(requirement.isOptional),
                    "met": .bool(requirement.isMet),
                    "refusal": requirement.refusal.map { refusal in
                        [
                            "call": .string(refusal.call),
                            "errno": JSON(Int(refusal.errno.rawValue)),
                            "message": .string(refusal.description),
                        ]
                    } ?? .null,
                ]
            },
        ]
    }
}

/// The directory below which drivers are tried: the root, made for the time where it is missing.
private struct ProbePlace {
    private let made: [FilePath]

    init(_ root: FilePath) throws(DriverError) {
        var missing: [FilePath] = []
        var path = root
        while !path.isEmpty, try !Self.exists(path) {
            missing.append(path)
            path = path.removingLastComponent()
        }
        for path in missing.reversed() {
            guard let name = path.lastComponent else { continue }
            let parent = path.removingLastComponent()
            do throws(SyscallError) {
                try Directory(opening: parent.isEmpty ? "." : parent)
                    .makeDirectory(RawPath(name), permissions: 0o700)
            } catch  where error.errno == .fileExists {
                continue
            } catch {
                throw DriverError("make the directory \(path)", error)
            }
        }
        made = missing
    }

    private static func exists(_ path: FilePath) throws(DriverError) -> Bool {
        do throws(SyscallError) {
            _ = try Directory(opening: path)
            return true
        } catch  where error.errno == .noSuchFileOrDirectory {
            return false
        } catch {
            throw DriverError("open \(path)", error)
        }
    }

    /// Removes what was made, unless somebody uses it by now.
    func clear() {
        for path in made {
            guard let name = path.lastComponent else { continue }
            let parent = path.removingLastComponent()
            try? Directory(opening: parent.isEmpty ? "." : parent)
                .removeDirectory(RawPath(name))
        }
    }
}
