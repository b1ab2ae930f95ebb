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

let storage = packageName(Context.packageDirectory.dropLast("/Tests/OutsideDriver".count))
let suite: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
    .unsafeFlags(["-package-name", storage]),
]
let core = Target.Dependency.product(name: "GraphCore", package: "graph-storage")
let store = Target.Dependency.product(name: "GraphStore", package: "graph-storage")
let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

// A driver that knows of the framework what its product GraphCore shows, and the conformance suite for it; and
// the program of docs/linking.md, which has the product GraphStore.
let package = Package(
    name: "outside-driver",
    dependencies: [
        .package(name: "graph-storage", path: "../.."),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    ],
    targets: [
        .executableTarget(
            name: "LinkExample", dependencies: [store, systemPackage, logging], path: "LinkExample"),
        .target(name: "OutsideDriver", dependencies: [core, systemPackage], path: "Driver"),
        .target(
            name: "GraphTestSupport",
            dependencies: ["OutsideDriver", store, core, systemPackage, logging],
            path: "Support", packageAccess: false, swiftSettings: suite),
        .testTarget(
            name: "DriverConformanceTests",
            dependencies: ["GraphTestSupport", store, core, systemPackage, logging],
            path: "Conformance", packageAccess: false, swiftSettings: suite),
    ],
    swiftLanguageModes: [.v6]
)
