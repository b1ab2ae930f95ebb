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

let storage = packageName(Context.packageDirectory.dropLast("/benchmarks".count))

let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let measure = Target.Dependency.product(name: "Measure", package: "Measure")
let store = Target.Dependency.product(name: "GraphStore", package: "graph-storage")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
    name: "graph-benchmarks",
    dependencies: [
        .package(name: "graph-storage", path: ".."),
        .package(path: "Measure"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    ],
    targets: [
        .executableTarget(
            name: "graphbench",
            dependencies: [
                measure, store, systemPackage, logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            packageAccess: false),
        .executableTarget(
            name: "layer-changes", dependencies: [store, systemPackage, logging],
            path: "LayerChanges", packageAccess: false),
        .executableTarget(
            name: "layer-use", dependencies: [store, systemPackage, logging], path: "LayerUse",
            packageAccess: false),
        .testTarget(
            name: "GraphbenchTests", dependencies: [measure, "graphbench"], packageAccess: false),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"), .treatAllWarnings(as: .error),
        .unsafeFlags(["-package-name", storage]),
    ]
}
