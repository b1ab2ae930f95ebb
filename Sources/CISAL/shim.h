// SPDX-License-Identifier: Apache-2.0
#include <isa-l.h>  // the version, beside
#include <isa-l/igzip_lib.h>
