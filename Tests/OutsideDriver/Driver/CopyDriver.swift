// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
