// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Dispatch
import GraphArchive
import GraphBuiltins
import GraphCore
import GraphImage
import GraphStore
import GraphTestSupport
import Logging
import Synchronization
import SystemPackage
import Testing

/// Images that several bring in and take away at once.
@Suite struct ImageRaceTests {
    @Test(arguments: DriverUnderTest.usableBelowTestBase)
    func `an import succeeds whoever removes the image meanwhile, and every image is whole`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDirectory { directory in
            @Sendable func open() throws(DriverError) -> LayerStore {
                var configuration = LayerStore.Configuration(
                    root: directory.appending("root"), runRoot: directory.appending("run"),
                    driver: subject.name, options: subject.storageOptions,
                    logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
                configuration.durability = .unsynced
                return try LayerStore(
                    configuration, drivers: BuiltinDrivers.all,
                    chooseDriver: BuiltinDrivers.automatic)
            }
            let layers = try RecordTests.layers()
            let places = try ["a", "b"].map { name in
                let place = directory.appending(name)
                try place.makeDirectory()
                // Both over one base.
                let chain = name == "a" ? layers : [layers[0]]
                try RecordTests.image(chain, called: [name], saying: name).write(to: place)
                return place
            }
            _ = try open()
            let failures = Mutex<[String]>([])
            DispatchQueue.concurrentPerform(iterations: 4) { thread in
                do throws(DriverError) {
                    let store = try open()
                    for round in 0..<12 {
                        let which = (thread + round) % 2
                        if thread < 2 {
                            let source = try ImageSource(
                                opening: places[which], spoolingTo: directory)
                            let imported = try importImage(source, into: store)
                            if imported.image.layerCount != 2 - which {
                                throw DriverError(.system, "not whole: \(imported)")
                            }
                            continue
                        }
                        do throws(DriverError) {
                            try store.images.remove(["a", "b"][which])
                        } catch  where error.code == .imageNotFound {
                            continue
                        }
                    }
                } catch {
                    failures.withLock { $0.append("\(thread): \(error)") }
                }
            }
            #expect(failures.withLock { $0 } == [])
            let store = try open()
            for image in try store.images.all() {
                #expect(image.layerCount == (image.names == ["a"] ? 2 : 1))
                try store.images.remove(image.id.hex)
            }
            #expect(try store.layers().isEmpty)
            #expect(try store.check(deep: true).filter(\.isDamage).isEmpty)
            try store.collectGarbage()
            #expect(try store.check(deep: true).isEmpty)
        }
    }
}
