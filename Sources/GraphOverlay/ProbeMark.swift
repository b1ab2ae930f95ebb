// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

/// The mark of the driver's directory: that a whole probe has passed there, where overlayfs keeps its
/// attributes, and which references it was seen to make.
struct ProbeMark {
    private let directories: LayerDirectories

    /// Takes the driver's directory, marked or not.
    init(in directories: LayerDirectories) { self.directories = directories }

    /// The attribute that holds it, in either namespace.
    private static let key = "store"

    /// Where overlayfs keeps its attributes in this store; nil without a mark.
    func namespace() throws(DriverError) -> OverlayNamespace? {
        for namespace in [OverlayNamespace.trusted, .user] {
            if try value(in: namespace) != nil { return namespace }
        }
        return nil
    }

    /// Whether these references have been tried here.
    func hasTried(_ references: References, _ namespace: OverlayNamespace) throws(DriverError)
        -> Bool
    {
        let tried = try value(in: namespace) ?? []
        return references.letters.allSatisfy(tried.contains)
    }

    private func value(in namespace: OverlayNamespace) throws(DriverError) -> [UInt8]? {
        try attempting(
            "read the mark of the overlay directory",
            try directories.openedDirectory?.attributes(of: ".")
                .value(of: namespace.name(Self.key)))
    }

    /// Marks the directory with what was found when the store was begun, or when references were tried.
    func write(
        _ namespace: OverlayNamespace, _ references: References = []
    ) throws(DriverError) {
        let directory = try directories.writableDirectory()
        let attribute = ExtendedAttribute(
            name: namespace.name(Self.key), value: [UInt8(ascii: "y")] + references.letters)
        try attempting(
            "mark the overlay directory", try directory.descriptor.setAttribute(attribute))
        try attempting("sync the overlay directory", try directory.sync())
    }
}
