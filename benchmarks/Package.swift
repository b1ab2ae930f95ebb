// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

let package = Package(
    name: "graph-benchmarks",
    dependencies: [
        .package(name: "graph-storage", path: ".."),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    ],
    // Both are programs over the store alone.
    targets: [("store-scale", "StoreScale"), ("layer-changes", "LayerChanges")].map { name, path in
        .executableTarget(
            name: name,
            dependencies: [
                .product(name: "GraphStore", package: "graph-storage"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: path,
            swiftSettings: [.enableUpcomingFeature("ExistentialAny")])
    },
    swiftLanguageModes: [.v6]
)
