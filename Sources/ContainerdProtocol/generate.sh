#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# generate.sh DIRECTORY: writes the Swift of the messages and services in proto anew, with the plugins
# protoc-gen-swift (of swift-protobuf) and protoc-gen-grpc-swift-2 (of grpc-swift-protobuf) in DIRECTORY, as
# `swift build --product` of those packages leaves them, and Debian's protoc (protobuf-compiler).
set -euo pipefail
plugins=$(realpath "$1")
cd "$(dirname "$0")"
rm -rf Generated
mkdir Generated
protoc -I proto --plugin="$plugins/protoc-gen-swift" --plugin="$plugins/protoc-gen-grpc-swift-2" \
    --swift_opt=Visibility=Package --swift_out=Generated \
    --grpc-swift-2_opt=Visibility=Package,Server=true,Client=false --grpc-swift-2_out=Generated proto/*.proto
# Messages alone have no service.
find Generated -name '*.grpc.swift' -size -2k -delete
sed -i '1i // SPDX-License-Identifier: Apache-2.0\n// Part of the graph-storage project.\n' Generated/*.pb.swift
