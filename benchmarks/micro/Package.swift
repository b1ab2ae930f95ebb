// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// Apart from graphbench, which does not wait for what this one needs.
let package = Package(
    name: "graph-microbenchmarks",
    dependencies: [
        .package(name: "graph-storage", path: "../.."),
        // Without traits: no library for counting allocations has to be installed.
        .package(url: "https://github.com/ordo-one/package-benchmark", from: "1.38.1", traits: []),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    ],
    targets: [
        // The plugin looks for targets in a folder of this name only.
        .executableTarget(
            name: "Library",
            dependencies: [
                .product(name: "Benchmark", package: "package-benchmark"),
                .product(name: "GraphStore", package: "graph-storage"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Benchmarks/Library",
            swiftSettings: [.enableUpcomingFeature("ExistentialAny")],
            plugins: [.plugin(name: "BenchmarkPlugin", package: "package-benchmark")])
    ],
    swiftLanguageModes: [.v6]
)
