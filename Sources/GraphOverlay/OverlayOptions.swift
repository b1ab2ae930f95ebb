// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

/// What `--storage-opt` sets for the overlay driver.
struct OverlayOptions: Hashable, Sendable {
    /// What every mount forbids, from `mountopt`.
    var attributes: MountAttributes = []

    private static let attributeNames: [String: MountAttributes] = [
        "nodev": .noDevices, "nosuid": .noSetID, "noexec": .noExecution,
    ]

    /// Options that `mountopt` may repeat because they are set anyway.
    private static let fixed = [
        "index=off", "metacopy=off", "redirect_dir=off", "redirect_dir=nofollow", "xino=off",
    ]

    /// Reads options.
    ///
    /// - Throws: ``DriverError/Code/invalidArgument`` for a key or a mount option that is not
    ///   known, or that the driver does not let be changed.
    init(_ options: DriverOptions) throws(DriverError) {
        try options.check(known: ["mountopt"], driver: OverlayLayout.driver)
        for option in (options.values["mountopt"] ?? "").split(separator: ",") {
            if let attribute = Self.attributeNames[String(option)] {
                attributes.insert(attribute)
            } else if !Self.fixed.contains(String(option)) {
                let known = Self.attributeNames.keys.sorted() + Self.fixed
                throw DriverError(
                    .invalidArgument,
                    "driver overlay: mountopt does not take \(option); it takes "
                        + known.joined(separator: ", "))
            }
        }
    }

    /// What is set at every mount, so that no module parameter of the host changes how a layer is
    /// recorded: each upper directory holds all that its layer changes, in whiteouts and opaque
    /// directories alone.
    ///
    /// `nofollow` is the only value of `redirect_dir` that the kernel takes beside `userxattr`.
    static func kernelOptions(_ namespace: OverlayNamespace) -> [MountOption] {
        let options = [
            MountOption("index", "off"), MountOption("metacopy", "off"),
            MountOption("redirect_dir", "nofollow"), MountOption("xino", "off"),
        ]
        return namespace == .user ? options + [MountOption("userxattr")] : options
    }
}
