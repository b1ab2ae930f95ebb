#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
#
# uml-tests.sh BUNDLE: runs what is about device mapper under a kernel that has it: the driver's promises
# with layers on ext4 and on xfs, full pools, restarts and power cuts. BUNDLE is the built test bundle.
set -euo pipefail
cd "$(dirname "$0")/../.."
bundle=$1
export GRAPH_TEST_DRIVER=devicemapper NO_COLOR=1
own='BtrfsTests|BtrfsDiffTests|SendStreamTests|OverlayTests|OverlayAttributeTests|OverlayReferenceTests|OverlayRandomReferenceTests|VFSTests|VFSCopyRecordTests|FilesystemTests'

for filesystem in ext4 xfs; do
    echo "layers on $filesystem"
    GRAPH_TEST_DM_FS=$filesystem Tests/scripts/uml-run.sh -m 3G -t 600 -- \
        "$bundle" --testing-library swift-testing --no-parallel --filter DriverConformanceTests --skip "$own"
done
