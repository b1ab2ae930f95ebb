// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
public import GraphSystem

extension LayerStore {
    /// Makes a writable layer on top of a committed one, or an empty one.
    ///
    /// Waits for one sync of the disk, of the result. The intent before it waits for none: should
    /// a power cut lose it, the driver's bytes are found and cleared by the first opening after it.
    ///
    /// Without an id the layer gets one of 64 random digits. A name is what callers call it beside that: any
    /// line of text of up to 1,024 bytes that no other layer of the store has.
    ///
    /// With `copyUp`, files and directories of the parent are copied up now, so that the first write to
    /// them does not wait for it; drivers that copy no files refuse it as
    /// ``GraphCore/DriverError/Code/unsupported``.
    ///
    /// A volatile layer is one that nobody needs after a stop of the machine: nothing that is written to it
    /// is synced before it is committed, and once the machine has stopped the next opening removes it, if it was
    /// mounted before. Drivers without such layers refuse it as ``GraphCore/DriverError/Code/unsupported``.
    public func create(
        id: String? = nil, name: String? = nil, parent: String? = nil,
        labels: [String: String] = [:], limits: LayerLimits = .none,
        volatile isVolatile: Bool = false, copyUp: [RawPath] = [],
        observer: WorkObserver = .none
    ) throws(DriverError) -> Layer {
        let request = LayerRequest(
            id: id, name: name, parent: parent, labels: labels, limits: limits,
            volatile: isVolatile, copyUp: copyUp)
        return try creation.create([request], observer: observer)[0]
    }

    /// Makes writable layers, all or none, as ``create(id:name:parent:labels:limits:volatile:copyUp:observer:)``
    /// makes one; all of them wait for one sync of the disk.
    ///
    /// - Returns: The layers, in the order of the requests.
    /// - Throws: ``GraphCore/DriverError/Code/invalidArgument`` where two are to have one id or one name.
    public func create(
        _ requests: [LayerRequest], observer: WorkObserver = .none
    ) throws(DriverError) -> [Layer] {
        try creation.create(requests, observer: observer)
    }

    /// Gives a committed layer a further id, under which it is mounted read-only; without a parent it is an
    /// empty tree.
    ///
    /// A view has no bytes of its own: all that is made is a record.
    public func createView(
        id: String? = nil, name: String? = nil, parent: String? = nil,
        labels: [String: String] = [:]
    ) throws(DriverError) -> Layer {
        try creation.createView(id: id, name: name, parent: parent, labels: labels)
    }

    /// Makes a committed layer from a layer tar, plain or compressed.
    ///
    /// Without an id the layer gets its chain's digits as id, so that applying the same layer twice
    /// finds it. With an id there is a layer of that id afterwards, of its own; applying the same tar under
    /// the same id on the same parent finds it, too. One that is found gets the labels that it lacks.
    /// When the digest or the id is given and the layer is there, the stream is only read and verified.
    /// Plain tars, gzip and zstd are recognised.
    ///
    /// Another tar under an id that is taken is ``GraphCore/DriverError/Code/layerExists``.
    ///
    /// When the stream is no layer (``GraphCore/DriverError/Code/invalidArchive``) or has another
    /// digest than it should (``GraphCore/DriverError/Code/digestMismatch``), nothing is left of it.
    public func apply(
        _ stream: any ByteSource, id: String? = nil, parent: String? = nil, diffID: Digest? = nil,
        labels: [String: String] = [:], observer: WorkObserver = .none
    ) throws(DriverError) -> AppliedLayer {
        try applying.apply(
            stream, id: id, parent: parent, diffID: diffID, labels: labels, observer: observer)
    }

    /// Makes committed layers from the tars of a chain, each on the one before.
    ///
    /// Several are read and unpacked at the same time where the driver's layers do not depend on
    /// each other; the result is the same as that of ``apply(_:id:parent:diffID:labels:observer:)``
    /// for one after the other, and a layer is never recorded before its parents. Those that the
    /// store has already are not read.
    ///
    /// When one fails, those that this call added are removed again, as far as nobody uses them.
    public func apply(
        chain layers: [ChainLayer], parent: String? = nil, observer: WorkObserver = .none
    ) throws(DriverError) -> [AppliedLayer] {
        try chaining.apply(chain: layers, parent: parent, observer: observer)
    }

    /// Makes an active layer immutable, so that it can be a parent.
    ///
    /// The diff is hashed first and the layer sealed last: whatever fails on the way leaves the
    /// layer writable.
    ///
    /// Without a new id the layer keeps the one it has, and so with its name and its labels; those that are given
    /// take the place of all that it had, in the transaction that commits it. A layer of which no layer tar can
    /// be written, since it has names that begin with `.wh.`, is sealed as others are, without
    /// ``Layer/diffID``.
    ///
    /// With `freezingMounts`, mounts that others made of ``mounts(of:)`` may last: they become read-only, and show what
    /// was committed. It is refused while a file is open for writing there, or in a mount namespace that is not the
    /// caller's. Should the commit fail after that, they stay read-only.
    ///
    /// Throws ``GraphCore/DriverError/Code/wrongKind`` for layers that are not active, and
    /// ``GraphCore/DriverError/Code/layerInUse`` while the layer is mounted, also where the store has no
    /// record of it: in another mount namespace, by way of another run root, or unmounted lazily.
    public func commit(
        _ reference: String, as newID: String? = nil, name: String? = nil,
        labels: [String: String]? = nil, freezingMounts: Bool = false,
        observer: WorkObserver = .none
    ) throws(DriverError) -> Layer {
        try committing.commit(
            reference, as: CommitOperation.Naming(id: newID, name: name, labels: labels),
            freezingMounts: freezingMounts, observer: observer)
    }

    /// Removes a layer, in time that does not depend on its size; its id is free at once.
    ///
    /// What it took on disk waits for ``reclaim(observer:)``.
    ///
    /// The intent is what waits for the disk, and the end of the record waits for nothing: a layer
    /// whose bytes are gone must never come back, while a removal that begins again does no harm.
    ///
    /// - Returns: The layer as it was.
    /// - Throws: ``GraphCore/DriverError/Code/layerInUse`` for a layer with children or mounts, or that
    ///   is an image's topmost, naming them.
    @discardableResult
    public func remove(_ reference: String) throws(DriverError) -> Layer {
        try removal.remove(reference)
    }

    /// Removes layers as ``remove(_:)`` does, each whatever becomes of the others; up to 64 of them wait for
    /// one sync of the disk.
    ///
    /// Layers of one chain may be named in any order. A layer that is named twice is removed once.
    ///
    /// - Returns: For each reference the layer as it was, or why it is still there.
    public func remove(
        _ references: [String]
    ) throws(DriverError) -> [Result<Layer, DriverError>] {
        try removal.remove(references)
    }

    /// Frees what removed layers took on disk: slow, stoppable, and in nobody's way.
    ///
    /// - Returns: The bytes of disk blocks freed, where the driver can tell.
    @discardableResult
    public func reclaim(observer: WorkObserver = .none) throws(DriverError) -> UInt64 {
        try space.reclaim(observer: observer)
    }
}
