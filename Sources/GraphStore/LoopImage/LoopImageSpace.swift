// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import Synchronization
import SystemPackage

/// Whether the filesystem below a loop image still takes what is written to the loop image.
///
/// The image is sparse: when the filesystem below is full, writes fail inside that were promised, and
/// the kernel can say so only later, as an error of a device. So whoever writes much looks before and
/// meanwhile, and stops while there is room for what is on its way.
final class LoopImageSpace: Sendable {
    /// What has to stay free below: for what is written between two looks, and by others.
    static let spareBytes: UInt64 = 64 << 20
    private static let interval = Duration.milliseconds(20)

    private struct State {
        /// Bytes in use inside, and taken by the image, when nothing was on its way.
        var used: UInt64
        var allocated: UInt64
        var looked = ContinuousClock.now
        var isShort = false
    }

    private let loopImage: LoopImage
    private let state: Mutex<State>

    /// Looks for the first time.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/noSpace`` when there is no room to begin with.
    init(_ loopImage: LoopImage) throws(DriverError) {
        self.loopImage = loopImage
        let now = try loopImage.measure()
        state = Mutex(State(used: now.used, allocated: now.allocated))
        if now.hostAvailable < Self.spareBytes { throw loopImage.hostIsFull(cause: nil) }
    }

    /// Whether there is no room any more; looks now and then.
    var isShort: Bool {
        state.withLock { state in
            if state.isShort || state.looked.duration(to: .now) < Self.interval {
                return state.isShort
            }
            state.isShort = look(&state)
            state.looked = .now
            return state.isShort
        }
    }

    /// Written and not yet below is what more is in use inside than the image has grown by; where that
    /// would not fit, it is waited for, since it may lie where the image has room.
    private func look(_ state: inout State) -> Bool {
        guard let now = try? loopImage.measure() else { return false }
        let written = now.used - min(now.used, state.used)
        let grown = now.allocated - min(now.allocated, state.allocated)
        let onItsWay = written - min(written, grown)
        if now.hostAvailable >= Self.spareBytes + onItsWay { return false }
        guard (try? loopImage.tree.descriptor.syncFilesystem()) != nil,
            let after = try? loopImage.measure()
        else { return true }
        (state.used, state.allocated) = (after.used, after.allocated)
        return after.hostAvailable < Self.spareBytes
    }
}

extension LoopImage {
    /// Bytes in use inside, taken by the image, and left below.
    func measure() throws(DriverError) -> (
        used: UInt64, allocated: UInt64, hostAvailable: UInt64
    ) {
        let (directory, image) = try imageStatus()
        let inside = try attempting("look at \(path)", try tree.descriptor.filesystem())
        let below = try attempting("look at \(root)", try directory.descriptor.filesystem())
        return (
            inside.totalBytes - min(inside.totalBytes, inside.availableBytes),
            image.allocatedBytes, below.availableBytes
        )
    }

    /// Says that the filesystem below is full.
    func hostIsFull(cause: SyscallError?) -> DriverError {
        DriverError(
            .noSpace,
            "the filesystem below the loop image at \(image) is full: free some of it, or remove layers",
            cause: cause, resource: .bytes)
    }

    /// Space below that a full filesystem leaves for removing layers.
    var reserve: Reserve {
        Reserve(root.appending(LoopImageLayout.reserve.description), partBytes: 256 << 10)
    }

    /// Gives the reserve up where the filesystem below is full.
    ///
    /// All of it and beforehand: inside, a lack of space below is no error that could be answered.
    func giveWay() {
        guard let now = try? measure(), now.hostAvailable < 4 << 20 else { return }
        while (try? reserve.release()) == true {}
    }
}
