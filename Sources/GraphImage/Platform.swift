// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// What an image is made for, as indexes of several images tell them apart.
public struct Platform: Hashable, Sendable, CustomStringConvertible {
    /// As Go names it, such as `linux`.
    public var system: String
    /// As Go names it, such as `amd64`.
    public var architecture: String
    /// The version of the architecture, such as `v8`; nil when it does not matter.
    public var variant: String?

    /// Names a platform.
    public init(system: String = "linux", architecture: String, variant: String? = nil) {
        (self.system, self.architecture, self.variant) = (system, architecture, variant)
    }

    /// Reads `SYSTEM/ARCHITECTURE` or `SYSTEM/ARCHITECTURE/VARIANT`; nil for all else.
    public init?(parsing text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (2...3).contains(parts.count), !parts.contains("") else { return nil }
        self.init(
            system: parts[0], architecture: parts[1], variant: parts.count == 3 ? parts[2] : nil)
    }

    /// The one that this program was built for.
    public static var host: Platform {
        #if arch(x86_64)
            Platform(architecture: "amd64")
        #elseif arch(arm64)
            Platform(architecture: "arm64", variant: "v8")
        #elseif arch(arm)
            Platform(architecture: "arm", variant: "v7")
        #elseif arch(riscv64)
            Platform(architecture: "riscv64")
        #elseif arch(s390x)
            Platform(architecture: "s390x")
        #elseif arch(powerpc64le)
            Platform(architecture: "ppc64le")
        #else
            Platform(architecture: "386")
        #endif
    }

    /// How well an image for another platform serves this one: 0 is best, nil not at all.
    func rank(of offered: Platform) -> Int? {
        guard offered.system == system, offered.architecture == architecture else { return nil }
        let (wanted, given) = (normalVariant, offered.normalVariant)
        if wanted == given { return 0 }
        if given == nil { return 1 }
        guard architecture == "arm", let wanted, let given,
            let newest = Int(wanted.dropFirst()), let version = Int(given.dropFirst()),
            version < newest
        else { return nil }
        // A processor runs what was made for an older one.
        return 1 + newest - version
    }

    /// The variant, nil for the one that everybody means without saying it.
    private var normalVariant: String? {
        switch (architecture, variant) {
        case ("arm64", "v8"), ("amd64", "v1"), (_, ""): nil
        default: variant
        }
    }

    /// `linux/amd64`, with the variant behind another slash.
    public var description: String {
        [system, architecture, variant].compactMap { $0 }.joined(separator: "/")
    }
}
