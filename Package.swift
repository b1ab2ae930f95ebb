// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")
let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")

let package = Package(
    name: "graph-storage",
    products: [
        .library(
            name: "GraphStore",
            targets: [
                "GraphStore", "GraphImage", "GraphBuiltins", "GraphCore", "GraphArchive",
                "GraphSystem",
            ]),
        // For drivers from outside.
        .library(name: "GraphCore", targets: ["GraphCore", "GraphArchive", "GraphSystem"]),
        .executable(name: "graphctl", targets: ["graphctl"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
    ],
    targets: [
        .target(name: "CGraphLinux"),
        .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(
            name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CLZMA", pkgConfig: "liblzma", providers: [.apt(["liblzma-dev"])]),
        .systemLibrary(name: "CBzip2", providers: [.apt(["libbz2-dev"])]),
        .target(name: "GraphSystem", dependencies: ["CGraphLinux", systemPackage]),
        .target(name: "GraphSQLite", dependencies: ["CSQLite"]),
        .target(
            name: "GraphArchive",
            dependencies: [
                "GraphSystem", "CISAL", "CZstd", "CLZMA", "CBzip2", crypto, systemPackage,
            ]),
        .target(name: "GraphCore", dependencies: ["GraphSystem", "GraphArchive", systemPackage]),
        .target(
            name: "GraphOverlay",
            dependencies: ["GraphCore", "GraphArchive", "GraphSystem", systemPackage]),
        .target(
            name: "GraphBtrfs",
            dependencies: ["GraphCore", "GraphArchive", "GraphSystem", systemPackage]),
        .target(
            name: "GraphDeviceMapper",
            dependencies: ["GraphCore", "GraphArchive", "GraphSystem", systemPackage]),
        .target(
            name: "GraphVFS",
            dependencies: ["GraphCore", "GraphArchive", "GraphSystem", systemPackage]),
        .target(
            name: "GraphBuiltins",
            dependencies: [
                "GraphCore", "GraphOverlay", "GraphBtrfs", "GraphDeviceMapper", "GraphVFS",
                "GraphSystem", systemPackage,
            ]),
        .target(
            name: "GraphStore",
            dependencies: [
                "GraphCore", "GraphArchive", "GraphSystem", "GraphSQLite", logging, systemPackage,
            ]),
        .target(
            name: "GraphImage",
            dependencies: [
                "GraphStore", "GraphCore", "GraphArchive", "GraphSystem", crypto, systemPackage,
            ]),
        .executableTarget(
            name: "graphctl",
            dependencies: [
                "GraphStore", "GraphImage", "GraphBuiltins", "GraphDeviceMapper", "GraphCore",
                "GraphArchive", "GraphSystem", argumentParser, logging, systemPackage,
            ]),
        .target(
            name: "GraphTestSupport",
            dependencies: [
                "GraphStore", "GraphBuiltins", "GraphDeviceMapper", "GraphCore", "GraphArchive",
                "GraphSystem", logging, systemPackage,
            ],
            path: "Tests/GraphTestSupport"),
        .testTarget(
            name: "GraphSystemTests",
            dependencies: ["GraphSystem", "GraphTestSupport", systemPackage]),
        .testTarget(
            name: "DriverConformanceTests",
            dependencies: [
                "graphctl", "GraphStore", "GraphCore", "GraphBuiltins", "GraphOverlay",
                "GraphBtrfs", "GraphVFS", "GraphArchive", "GraphSystem", "GraphTestSupport",
                logging, systemPackage,
            ]),
        // Under a kernel with device mapper: Tests/scripts/uml-tests.sh.
        .testTarget(
            name: "DeviceMapperTests",
            dependencies: [
                "GraphDeviceMapper", "GraphBuiltins", "GraphCore", "GraphArchive", "GraphSystem",
                "GraphTestSupport", systemPackage,
            ]),
        // The program of docs/linking.md: what a runtime needs to link the store.
        .executableTarget(
            name: "LinkExample",
            dependencies: [
                "GraphStore", "GraphBuiltins", "GraphCore", "GraphArchive", logging, systemPackage,
            ],
            path: "Tests/LinkExample"),
        // Containers in a process that has the store open, for the counts of system calls and for benchmarks.
        .executableTarget(
            name: "LayerLife",
            dependencies: [
                "GraphStore", "GraphBuiltins", "GraphCore", "GraphArchive", logging, systemPackage,
            ],
            path: "Tests/LayerLife"),
        .testTarget(
            name: "MainJobTests",
            dependencies: ["graphctl", "GraphSystem", "GraphTestSupport", systemPackage]),
        .testTarget(
            name: "BadInputTests",
            dependencies: ["graphctl", "GraphSystem", "GraphTestSupport", systemPackage]),
        .testTarget(
            name: "TidyTests",
            dependencies: [
                "LinkExample", "GraphTestSupport", "GraphArchive", "GraphSystem", systemPackage,
            ]),
        // The parsers of Tests/Fuzz, without what the fuzzer calls.
        .testTarget(
            name: "FuzzTests",
            dependencies: [
                "GraphArchive", "GraphBtrfs", "GraphSystem", "GraphTestSupport", systemPackage,
            ],
            path: "Tests/Fuzz/Fuzz", exclude: ["Entry.swift"]),
        .testTarget(
            name: "GraphArchiveTests",
            dependencies: ["GraphArchive", "GraphSystem", "GraphTestSupport", systemPackage]),
        .testTarget(
            name: "GraphStoreTests",
            dependencies: [
                "GraphStore", "GraphCore", "GraphArchive", "GraphSystem", "GraphSQLite", "CSQLite",
                "GraphTestSupport",
                logging, systemPackage,
            ]),
        .testTarget(
            name: "GraphImageTests",
            dependencies: [
                "GraphImage", "GraphStore", "GraphBuiltins", "GraphCore", "GraphArchive",
                "GraphSystem", "GraphTestSupport", logging, systemPackage,
            ]),
        .testTarget(
            name: "graphctlTests",
            dependencies: [
                "graphctl", "LayerLife", "GraphArchive", "GraphSystem", "GraphTestSupport",
                systemPackage,
            ],
            // What sessions printed and an early store, which tests beside them read by their paths.
            exclude: [
                "Sessions/btrfs.txt", "Sessions/overlay.txt", "Sessions/vfs.txt",
                "OldStores/make.sh", "OldStores/ask.sh", "OldStores/answers.txt",
                "OldStores/store.tar.gz",
            ]),
        .testTarget(
            name: "RecoveryTests",
            dependencies: ["GraphSystem", "GraphSQLite", "GraphTestSupport", systemPackage]),
    ],
    swiftLanguageModes: [.v6]
)

// The daemon's libraries build longer than all the rest: they are here for who asks for the daemon, and neither
// fetched nor built for anyone else. `make graphd` asks.
if Context.environment["GRAPH_DAEMON"] == "1" {
    package.dependencies += [
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.0"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.0"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    ]
    package.products.append(.executable(name: "graphd", targets: ["graphd"]))
    package.targets += [
        .target(
            name: "ContainerdProtocol",
            dependencies: [
                .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            exclude: ["proto", "generate.sh"]),
        .executableTarget(
            name: "graphd",
            dependencies: [
                "ContainerdProtocol", "GraphBuiltins", "GraphStore", "GraphCore", "GraphSystem",
                argumentParser, logging, systemPackage,
                .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(
                    name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            exclude: ["Packaging"]),
    ]
}

// One set of rules for every target: warnings are errors, imports state their access, and whatever
// is memory-unsafe outside GraphSystem and GraphSQLite is marked where it stands.
for target in package.targets where [.regular, .executable, .test].contains(target.type) {
    if target.name.hasPrefix("C") { continue }  // C, and ContainerdProtocol, which generators wrote
    let features = ["ExistentialAny", "InternalImportsByDefault", "MemberImportVisibility"]
    target.swiftSettings =
        features.map { .enableUpcomingFeature($0) } + [
            .treatAllWarnings(as: .error)
        ]
    if target.type != .test && !["GraphSystem", "GraphSQLite"].contains(target.name) {
        target.swiftSettings?.append(.strictMemorySafety())
    }
}
