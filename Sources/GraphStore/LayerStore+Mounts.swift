// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphCore
public import GraphSystem
public import SystemPackage

extension LayerStore {
    /// Shows an active layer or a view as a directory, and counts.
    ///
    /// A layer that is mounted already is counted where the target is the same, and shown by a bind
    /// mount of the first where it is another: the writable layer of an overlay is never mounted
    /// twice.
    ///
    /// An active layer can be written to where it is mounted, or is not mounted: a filesystem that
    /// comes back read-only, as overlayfs does on a full disk, is refused.
    ///
    /// - Parameters:
    ///   - reference: An active layer or a view.
    ///   - target: An existing directory; nil for one below RUN-ROOT that the store makes.
    /// - Returns: The place, and how often the layer was mounted there.
    /// - Throws: ``GraphCore/DriverError/Code/wrongKind`` for a committed layer,
    ///   ``GraphCore/DriverError/Code/layerInUse`` when an active layer is mounted in another mount
    ///   namespace, or by way of another run root, or in use by who unmounted it lazily,
    ///   ``GraphCore/DriverError/Code/noSpace`` when ROOT or RUN-ROOT has no room for what mounting
    ///   needs, ``GraphCore/DriverError/Code/storeReadOnly`` when an active layer could not be written
    ///   to.
    public func mount(
        _ reference: String, at target: FilePath? = nil
    ) throws(DriverError) -> MountedLayer {
        try mounting.mount(reference, at: target)
    }

    /// Gives out the block device of an active layer or a view, and counts, as ``mount(_:at:)`` does;
    /// unmounting takes it back.
    ///
    /// For those who mount the filesystem themselves, such as a virtual machine. The device of a view is
    /// read-only. A layer is either mounted or given out.
    ///
    /// - Returns: The device's path, and how often it was given out.
    /// - Throws: ``GraphCore/DriverError/Code/unsupported`` when layers of this driver are no
    ///   filesystems of their own, ``GraphCore/DriverError/Code/wrongKind`` for a committed layer,
    ///   ``GraphCore/DriverError/Code/layerInUse`` when it is mounted.
    public func mountDevice(_ reference: String) throws(DriverError) -> MountedLayer {
        try mounting.mountDevice(reference)
    }

    /// Takes back one mounting of a layer, or of its device: at the place that the store made, or else at the one
    /// that is left.
    ///
    /// - Returns: How many mountings are left at that place; with 0 the mount is gone.
    /// - Throws: ``GraphCore/DriverError/Code/layerInUse`` when the mount is busy, naming processes;
    ///   ``GraphCore/DriverError/Code/invalidArgument`` when there is nothing to unmount.
    @discardableResult
    public func unmount(layer reference: String) throws(DriverError) -> MountedLayer {
        try mounting.unmount(layer: reference)
    }

    /// Takes back one mounting at a place, or of a device.
    ///
    /// - Returns: How many mountings are left there; with 0 the mount is gone.
    @discardableResult
    public func unmount(target: FilePath) throws(DriverError) -> MountedLayer {
        try mounting.unmount(target: target)
    }

    /// What an active layer or a view is mounted by, as mount(8) and containerd take it: for those who mount
    /// themselves.
    ///
    /// Nothing is mounted or counted. While such a mount lasts, the layer is in use as by ``mount(_:at:)``, since
    /// the kernel's own objects are asked: it is not committed or removed. A layer that the store has mounted is
    /// given as a bind mount of that place.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/unsupported`` where words do not make the mount, as of a thin volume;
    ///   see ``mountDevice(_:)``.
    public func mounts(of reference: String) throws(DriverError) -> [MountArguments] {
        try mounting.arguments(of: reference)
    }

    /// Lists where a layer is mounted, in this mount namespace and in others.
    public func mounted(_ reference: String) throws(DriverError) -> [MountedLayer] {
        try registry.mounted(try catalog.record(reference).layer)
    }
}
