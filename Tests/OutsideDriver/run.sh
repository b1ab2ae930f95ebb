#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# run.sh: builds the package Tests/OutsideDriver: the program of docs/linking.md, and a driver that knows of
# the framework what a product of it shows, against which it runs the conformance suite. Left out are the tests
# that start graphctl, which has no drivers but its own. The last line is the test runner's own.
set -euo pipefail
cd "$(dirname "$0")/../.."

umask 022 # another user's tests run what is built here
package=Tests/OutsideDriver
swift build --build-tests --package-path "$package"
NO_COLOR=1 Tests/scripts/isolated.sh "$package/.build/debug/outside-driverPackageTests.xctest" \
    --testing-library swift-testing --no-parallel \
    --skip '^DriverConformanceTests[.](EmptyViewTests|FileFlagTests|UseCampaignTests|UseTests)/' \
    --skip 'a layer is the same however it is compressed'
