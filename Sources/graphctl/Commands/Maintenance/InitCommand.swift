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
            create, apply and import make one, too. With --loop-image the store lies in an image of a \
            filesystem on which files can share blocks, whatever the filesystem below is: the first \
            write to a file of a parent then copies nothing.
            """)

    @Option(
        help: ArgumentHelp(
            "The filesystem that the store brings along: xfs with reflink in a sparse image.",
            valueName: "xfs-image"),
        transform: NewLoopImage.Kind.argument)
    var loopImage: NewLoopImage.Kind?

    /// The former name of `--loop-image`.
    @Option(help: .hidden, transform: NewLoopImage.Kind.argument) var bed: NewLoopImage.Kind?

    @Option(
        help: ArgumentHelp(
            "The size of the loop image, such as 100G; it takes room only as it is filled.",
            valueName: "bytes"),
        transform: ByteCount.init(parsing:))
    var size: ByteCount?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    var attempt: String { "init" }

    func validate() throws {
        if loopImage != nil && bed != nil {
            throw ValidationError("--bed is the former name of --loop-image")
        }
        if (loopImage ?? bed == nil) != (size == nil) {
            throw ValidationError("--loop-image and --size go together")
        }
    }

    func run(_ session: Session) throws(DriverError) {
        let wanted = (loopImage ?? bed).flatMap { kind in
            size.map { NewLoopImage(kind, bytes: $0.bytes) }
        }
        let info = try session.store(.nothing, loopImage: wanted).info()
        if let loopImage = info.loopImage, loopImage.size > loopImage.hostAvailableBytes {
            session.warn(
                "the loop image has \(humanBytes(loopImage.size)), and the filesystem below has "
                    + "\(humanBytes(loopImage.hostAvailableBytes)) left")
        }
        if global.json {
            try session.output.print([
                "store_id": .string(info.storeID), "root": .string(info.root.string),
                "driver": .string(info.driver), "bed": info.loopImage?.json ?? .null,
            ])
        } else {
            try session.output.print(info.storeID)
        }
    }
}

extension NewLoopImage.Kind {
    /// Reads the word of an option.
    static func argument(_ text: String) throws -> NewLoopImage.Kind {
        if let kind = NewLoopImage.Kind(rawValue: text) { return kind }
        let known = allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("there is no loop image \(text); there is \(known)")
    }
}
