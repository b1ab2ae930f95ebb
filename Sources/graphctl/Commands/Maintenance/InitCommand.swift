// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore
import SystemPackage

struct InitCommand: GraphCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Creates a store, and prints its id.",
        discussion: """
            create, apply and import make one, too. With --bed the store lies in an image of a \
            filesystem on which files can share blocks, whatever the filesystem below is: the first \
            write to a file of a parent then copies nothing.
            """)

    @Option(
        help: ArgumentHelp(
            "The filesystem that the store brings along: xfs with reflink in a sparse image.",
            valueName: "xfs-image"),
        transform: NewBed.Kind.argument)
    var bed: NewBed.Kind?

    @Option(
        help: ArgumentHelp(
            "The size of the bed, such as 100G; it takes room only as it is filled.",
            valueName: "bytes"),
        transform: ByteCount.init(parsing:))
    var size: ByteCount?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "init" }

    func validate() throws {
        if (bed == nil) != (size == nil) {
            throw ValidationError("--bed and --size go together")
        }
    }

    func run(_ session: Session) throws(DriverError) {
        let root = try global.rootPath()
        if bed == nil, try LayerStore.exists(at: root) {
            throw DriverError(.invalidArgument, "there is a store at \(root) already")
        }
        let wanted = bed.flatMap { bed in size.map { NewBed(bed, bytes: $0.bytes) } }
        let info = try session.store(.any, bed: wanted).info()
        if let bed = info.bed, bed.size > bed.hostAvailableBytes {
            session.warn(
                "the bed has \(humanBytes(bed.size)), and the filesystem below has "
                    + "\(humanBytes(bed.hostAvailableBytes)) left")
        }
        if global.json {
            try session.output.print([
                "store_id": .string(info.storeID), "root": .string(info.root.string),
                "driver": .string(info.driver), "bed": info.bed?.json ?? .null,
            ])
        } else {
            try session.output.print(info.storeID)
        }
    }
}

extension NewBed.Kind {
    /// Reads the word of an option.
    static func argument(_ text: String) throws -> NewBed.Kind {
        if let kind = NewBed.Kind(rawValue: text) { return kind }
        let known = allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("there is no bed \(text); there is \(known)")
    }
}
