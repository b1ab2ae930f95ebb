// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cgraph_memory.h"

#include <malloc.h>
#include <sys/mman.h>

void *cgraph_grow_pages(void *start, unsigned long old_size, unsigned long size) {
    void *pages = start ? mremap(start, old_size, size, MREMAP_MAYMOVE)
                        : mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? 0 : pages;
}

void cgraph_map_blocks_from(int bytes) { mallopt(M_MMAP_THRESHOLD, bytes); }
