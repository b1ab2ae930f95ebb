// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cgraph_btrfsutil.h"

#include <dlfcn.h>

const char *cgraph_btrfsutil_load(struct cgraph_btrfsutil *functions) {
    void *library = dlopen("libbtrfsutil.so.1", RTLD_NOW);
    if (library == NULL) return dlerror();
#define LOAD(name)                                                       \
    functions->name = (__typeof__(functions->name))dlsym(library, "btrfs_util_" #name); \
    if (functions->name == NULL) return dlerror();
    CGRAPH_BTRFSUTIL_FUNCTIONS(LOAD)
#undef LOAD
    return NULL;
}

const char *cgraph_btrfsutil_file(const struct cgraph_btrfsutil *functions) {
    Dl_info place;
    return dladdr((const void *)functions->sync_fd, &place) == 0 ? NULL : place.dli_fname;
}
