// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

/// What `--storage-opt` sets for the overlay driver.
struct OverlayOptions: Hashable, Sendable {
    /// What every mount forbids, from `mountopt`.
    var attributes: MountAttributes = []
    /// What layers may hold that are changed from now on, from `metacopy` and `redirect_dir`.
    var references: References = []

    /// Options that `mountopt` may repeat because they are set anyway.
    private static let fixed = [
        "index=off", "metacopy=off", "redirect_dir=off", "redirect_dir=nofollow", "xino=off",
    ]

    /// Reads options.
    ///
    /// - Throws: ``DriverError/Code/invalidArgument`` for a key, a value or a mount option that is
    ///   not known, or that the driver does not let be changed.
    init(_ options: DriverOptions) throws(DriverError) {
        try options.check(
            known: ["metacopy", "mountopt", "redirect_dir"], driver: OverlayLayout.driver)
        let redirects = try Self.isOn("redirect_dir", options)
        if try Self.isOn("metacopy", options) == true {
            if redirects == false {
                throw DriverError(
                    .invalidArgument,
                    "driver overlay: metacopy=on needs redirect_dir=on, which it sets by itself")
            }
            references = [.metacopies, .redirects]
        } else if redirects == true {
            references = .redirects
        }
        attributes = try options.mountAttributes(
            driver: OverlayLayout.driver, besides: Self.fixed)
        for option in (options.values["mountopt"] ?? "").split(separator: ",") {
            try checkAgreement(of: option)
        }
    }

    private static func isOn(
        _ key: String, _ options: DriverOptions
    ) throws(DriverError) -> Bool? {
        switch options.values[key] {
        case nil: return nil
        case "on": return true
        case "off": return false
        case let value?:
            throw DriverError(
                .invalidArgument, "driver overlay: \(key) does not take \(value); it takes on, off")
        }
    }

    /// Refuses a mount option that holds by default when another option has changed that.
    private func checkAgreement(of option: Substring) throws(DriverError) {
        let isRefused =
            option.hasPrefix("metacopy") && references.contains(.metacopies)
            || option.hasPrefix("redirect_dir") && references.contains(.redirects)
        if isRefused {
            throw DriverError(
                .invalidArgument,
                "driver overlay: mountopt has \(option), and another option the contrary")
        }
    }

    /// What is set at every mount, so that no module parameter of the host changes how a layer is
    /// recorded: whiteouts, opaque directories, and only those references that are in `mark`.
    ///
    /// A layer that may hold metacopies, or lies above one, must be mounted with `metacopy=on`, which
    /// the kernel takes only with `redirect_dir=on`. Redirects below are followed in any case, and
    /// new ones are made where the options say so. `nofollow` is the only value of `redirect_dir`
    /// that the kernel takes beside `userxattr`.
    func kernelOptions(
        _ namespace: OverlayNamespace, _ mark: ReferenceMark, writable: Bool
    ) -> [MountOption] {
        let hasMetacopies = mark.chain.contains(.metacopies)
        let makesRedirects =
            hasMetacopies || writable && references.contains(.redirects)
        let redirects =
            makesRedirects ? "on" : mark.chain.contains(.redirects) ? "follow" : "nofollow"
        let options = [
            MountOption("index", "off"), MountOption("metacopy", hasMetacopies ? "on" : "off"),
            MountOption("redirect_dir", redirects), MountOption("xino", "off"),
        ]
        return namespace == .user ? options + [MountOption("userxattr")] : options
    }

    /// What is set at the mounts of layers without references.
    static func plainKernelOptions(_ namespace: OverlayNamespace) -> [MountOption] {
        OverlayOptions().kernelOptions(namespace, ReferenceMark(), writable: true)
    }

    private init() {}
}
