// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

let package = Package(
    name: "graph-fuzz",
    dependencies: [.package(name: "graph-storage", path: "../..")],
    targets: [
        .executableTarget(
            name: "fuzz",
            dependencies: [
                .product(name: "GraphCore", package: "graph-storage"),
                // For the drivers.
                .product(name: "GraphStore", package: "graph-storage"),
            ],
            path: "Fuzz",
            swiftSettings: [.unsafeFlags(["-parse-as-library"])])
    ],
    swiftLanguageModes: [.v6]
)
