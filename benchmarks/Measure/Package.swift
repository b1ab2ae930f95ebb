// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// Samples, results, comparison and report. Knows no store, so that its tests are built in no time.
let package = Package(
    name: "Measure",
    products: [.library(name: "Measure", targets: ["Measure", "CMeasure"])],
    targets: [
        .target(name: "CMeasure"),
        .target(name: "Measure", dependencies: ["CMeasure"]),
        .testTarget(name: "MeasureTests", dependencies: ["Measure", "CMeasure"]),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where !target.name.hasPrefix("C") {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"), .treatAllWarnings(as: .error),
    ]
}
