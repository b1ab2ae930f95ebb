// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// The name under which the compiler knows the package in a directory.
///
/// Targets that have it, and no name of their own (`packageAccess`), may call what is no product's. Swift's
/// package manager makes it of the directory's name.
func packageName(_ directory: some StringProtocol) -> String {
    let name = directory.split(separator: "/").last ?? ""
    return String(name.lowercased().map { $0.isLetter || $0.isNumber ? $0 : "_" })
}

let storage = packageName(Context.packageDirectory.dropLast("/benchmarks/micro".count))

// A package of its own: graphbench does not wait for what the plugin needs.
let package = Package(
    name: "graph-microbenchmarks",
    dependencies: [
        .package(name: "graph-storage", path: "../.."),
        // Without traits: nothing is put between the program and its allocator.
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.0", traits: []),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    ],
    targets: [
        // The plugin looks for targets in a directory of this name only.
        .executableTarget(
            name: "Library",
            dependencies: [
                .product(name: "Benchmark", package: "benchmark"),
                .product(name: "GraphStore", package: "graph-storage"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Benchmarks/Library",
            packageAccess: false,
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"), .treatAllWarnings(as: .error),
        .unsafeFlags(["-package-name", storage]),
    ]
}
