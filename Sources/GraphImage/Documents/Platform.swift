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
        let (this, other) = (normal, offered.normal)
        guard other.system == this.system, other.architecture == this.architecture else {
            return nil
        }
        let (wanted, given) = (this.variant, other.variant)
        if wanted == given { return 0 }
        if given == nil { return 1 }
        guard this.architecture == "arm", let wanted, let given,
            let newest = Int(wanted.dropFirst()), let version = Int(given.dropFirst()),
            version < newest
        else { return nil }
        // A processor runs what was made for an older one.
        return 1 + newest - version
    }

    /// The same by the names that the specification prefers, as containerd normalises them: the variant is nil
    /// where it is the one that everybody means without saying it, and `arm` alone means `v7`.
    private var normal: Platform {
        var platform = self
        switch architecture {
        case "x86_64", "x86-64": platform.architecture = "amd64"
        case "i386": platform.architecture = "386"
        case "aarch64": platform.architecture = "arm64"
        case "armhf": (platform.architecture, platform.variant) = ("arm", "v7")
        case "armel": (platform.architecture, platform.variant) = ("arm", "v6")
        default: break
        }
        switch (platform.architecture, platform.variant ?? "") {
        case ("arm64", "v8"), ("arm64", "8"), ("amd64", "v1"), ("386", _): platform.variant = nil
        case ("arm", ""): platform.variant = "v7"
        case ("arm", "5"), ("arm", "6"), ("arm", "7"), ("arm", "8"):
            platform.variant = "v" + (platform.variant ?? "")
        case (_, ""): platform.variant = nil
        default: break
        }
        return platform
    }

    /// `linux/amd64`, with the variant behind another slash.
    public var description: String {
        [system, architecture, variant].compactMap { $0 }.joined(separator: "/")
    }
}
