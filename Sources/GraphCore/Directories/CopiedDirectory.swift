// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import Synchronization
import SystemPackage

/// One directory of a tree that is being copied, on both sides.
///
/// Holds no descriptors of its own, or there would be as many as directories wait: it is opened by
/// its path from the nearest one above that is held open, which is the root and, in trees whose
/// paths are longer than one call takes, one here and there.
final class CopiedDirectory: Sendable {
    let parent: CopiedDirectory?
    /// The path from the nearest directory above that is held open.
    private let path: RawPath
    private let anchor: CopiedDirectory?
    private let state: Mutex<State>

    private struct State {
        var held: (source: Directory, target: Directory)?
        var unfinished = 0
    }

    /// A path within this many bytes, and a name behind it, are below the kernel's `PATH_MAX`.
    private static let pathBytesMax = 3_500

    /// The root.
    init(source: Directory, target: Directory) {
        (parent, path, anchor) = (nil, ".", nil)
        state = Mutex(State(held: (source, target)))
    }

    /// A directory that has been made in another.
    init(_ name: RawPath, in parent: CopiedDirectory) {
        self.parent = parent
        if parent.isHeldOpen {
            (path, anchor) = (name, parent)
        } else {
            (path, anchor) = (parent.path.appending(name), parent.anchor)
        }
        state = Mutex(State())
    }

    private var isHeldOpen: Bool { state.withLock { $0.held != nil } }

    func openSource() throws(SyscallError) -> Directory {
        try (anchor ?? self).held.source.openDirectory(path)
    }

    func openTarget() throws(SyscallError) -> Directory {
        try (anchor ?? self).held.target.openDirectory(path)
    }

    private var held: (source: Directory, target: Directory) {
        guard let held = state.withLock({ $0.held }) else {
            preconditionFailure("an anchor is held while anything below it is worked on")
        }
        return held
    }

    /// Takes note of how many directories below are to be done, and holds the descriptors where
    /// the path to those would become too long.
    func begin(_ unfinished: Int, _ source: Directory, _ target: Directory) {
        state.withLock { state in
            state.unfinished = unfinished
            if unfinished > 0 && path.count > Self.pathBytesMax { state.held = (source, target) }
        }
    }

    /// Takes note that one directory below is done, and tells whether it was the last.
    func isLastDone() -> Bool {
        state.withLock { state in
            state.unfinished -= 1
            return state.unfinished == 0
        }
    }

    /// Lets go of the descriptors of a directory that is done.
    func letGo() {
        if parent != nil { state.withLock { $0.held = nil } }
    }

    /// How to reach a name in this directory later on, whatever is let go of meanwhile.
    func place(of name: RawPath) -> CopiedName {
        CopiedName(directory: (anchor ?? self).held.target, path: path.appending(name))
    }
}

/// A name that has been copied.
struct CopiedName: Sendable {
    let directory: Directory
    /// Relative to `directory`.
    let path: RawPath
}

/// A descriptor on its way through a value that must be copyable.
final class OwnedDescriptorBox {
    private var descriptor: OwnedDescriptor?

    init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = consume descriptor }

    /// Hands the descriptor over; once.
    func take() -> OwnedDescriptor? { descriptor.take() }
}
