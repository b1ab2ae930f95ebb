// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// What of overlayfs's a layer may hold that leads into the layers below it.
struct References: OptionSet, Hashable, Sendable {
    let rawValue: UInt8

    /// Directories whose content is under another name (mount option `redirect_dir`).
    static let redirects = References(rawValue: 1)
    /// Files whose data are elsewhere (mount option `metacopy`).
    ///
    /// overlayfs takes that only together with redirects, by which it finds the data of a renamed
    /// file.
    static let metacopies = References(rawValue: 2)

    private static let letters: [(UInt8, References)] = [
        (UInt8(ascii: "r"), .redirects), (UInt8(ascii: "m"), .metacopies),
    ]

    /// Reads letters; nil when one is not known.
    init?(letters: some Sequence<UInt8>) {
        self = []
        for letter in letters {
            guard let known = Self.letters.first(where: { $0.0 == letter }) else { return nil }
            insert(known.1)
        }
    }

    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// As they are recorded.
    var letters: [UInt8] { Self.letters.filter { contains($0.1) }.map(\.0) }
}

/// What is recorded of a layer before it is first mounted in a way that lets it hold references.
///
/// Whoever mounts such a layer without `redirect_dir` or `metacopy`, or anything above it, is shown
/// empty files, old names or errors, so the record outlives the options with which the store was
/// opened. A layer made above another takes over what its chain holds: one look at a layer tells all
/// about those below.
struct ReferenceMark: Hashable, Sendable {
    /// What the layer itself may hold.
    var own: References = []
    /// What it or any layer below it may hold.
    var chain: References = []

    /// The record: letters for the layer itself, a slash, letters for the chain.
    var bytes: [UInt8] { own.letters + [UInt8(ascii: "/")] + chain.letters }

    init(own: References = [], chain: References = []) {
        (self.own, self.chain) = (own, chain.union(own))
    }

    /// Reads a record; nil when it says something that is not known here.
    init?(_ bytes: [UInt8]) {
        let parts = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 2, let own = References(letters: parts[0]),
            let chain = References(letters: parts[1]), chain.isSuperset(of: own), !chain.isEmpty
        else { return nil }
        (self.own, self.chain) = (own, chain)
    }
}
