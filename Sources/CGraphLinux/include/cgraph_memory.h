// SPDX-License-Identifier: Apache-2.0
// Memory: what Swift does not import, or imports as variadic.
#ifndef CGRAPH_MEMORY_H
#define CGRAPH_MEMORY_H

/// mmap(2) of private pages, or mremap(2) of those at `start`, which may move; NULL when there are none.
void *cgraph_grow_pages(void *start, unsigned long old_size, unsigned long size);

/// mallopt(3): blocks of so many bytes and more are pages of their own, always.
void cgraph_map_blocks_from(int bytes);

#endif
