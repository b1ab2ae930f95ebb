// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem

/// What became of files that a layer has from the tree that it was made of: nothing but that tree says what
/// they must hold.
package struct KeptFiles: Hashable, Sendable {
    /// A file that holds something else than the old tree's of the same name and size.
    package internal(set) var changed: RawPath?
    /// A file that the old tree has not, or of another size, so that nothing can be said about it.
    package internal(set) var unknown: RawPath?

    /// Compares the contents of the files of two trees that have the same name, but for those that are
    /// vouched for.
    ///
    /// Nothing but contents is compared: the rest is what the layer's outline vouches for.
    package init(
        of source: DiffSource, besides vouched: VouchedFiles, observer: WorkObserver = .none
    ) throws(ArchiveError) {
        var comparison = TreeComparison(observer: observer)
        comparison.keeping = vouched
        var lone: RawPath?
        try comparison.compare(
            MergedDirectory(root: source.old, isLive: false), MergedDirectory(root: source.new),
            changed: source.changedPaths
        ) { (event) throws(ArchiveError) in
            switch event {
            case .added(let place, let entry), .modified(let place, let entry):
                if lone == nil, vouched.leaveOut(entry.status) { lone = place.path }
            case .enter, .leave, .deleted, .equalLink: break
            }
        }
        self = comparison.kept
        unknown = unknown ?? lone
    }

    /// Nothing is known to be wrong.
    init() {}
}
