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

let storage = packageName(Context.packageDirectory.dropLast("/Tests/Fuzz".count))

let package = Package(
    name: "graph-fuzz",
    dependencies: [
        .package(name: "graph-storage", path: "../.."),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
    ],
    targets: [
        .executableTarget(
            name: "fuzz",
            dependencies: [
                .product(name: "GraphCore", package: "graph-storage"),
                // For the drivers.
                .product(name: "GraphStore", package: "graph-storage"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            path: "Fuzz",
            exclude: ["CorpusTests.swift"],
            packageAccess: false,
            swiftSettings: [.unsafeFlags(["-parse-as-library", "-package-name", storage])])
    ],
    swiftLanguageModes: [.v6]
)
