// SPDX-License-Identifier: Apache-2.0
// Block devices: loop devices, sizes and discards, and what filesystems do with them.
#ifndef CGRAPH_BLOCK_H
#define CGRAPH_BLOCK_H

#include <stddef.h>
#include <stdint.h>

/// All return 0, or -1 with errno.

/// The number of a loop device that nobody uses.
int cgraph_loop_free(int control);
/// Binds a file to a loop device that unbinds itself when its last user closes it. `block_size` in
/// bytes, 0 for the kernel's choice; `direct`: past the page cache of the file, where that can be.
int cgraph_loop_configure(int loop, int file, uint32_t block_size, int direct, int read_only);
/// 1 when a loop device reads and writes its file past the page cache, 0 when not.
int cgraph_loop_is_direct(int loop);
/// The inode that a loop device shows.
int cgraph_loop_backing(int loop, uint64_t *device, uint64_t *inode);
/// Lets a loop device see that its file has another size.
int cgraph_loop_refresh(int loop);
/// How the loop driver writes the number of a filesystem's device.
uint64_t cgraph_loop_device(uint32_t major, uint32_t minor);

int cgraph_block_size(int device, uint64_t *bytes);
int cgraph_block_discard(int device, uint64_t bytes);
/// Reads one block of 4,096 bytes past the page cache.
int cgraph_read_direct(int file, uint64_t offset, void *block);
extern const int CGRAPH_O_DIRECT;

int cgraph_ext4_resize(int mounted, uint64_t blocks);
int cgraph_xfs_grow(int mounted, uint64_t blocks);
/// Bytes of an xfs with its log.
int cgraph_xfs_bytes(int mounted, uint64_t *bytes);
/// Has a mounted filesystem give the blocks that it does not use back to its device.
int cgraph_trim(int mounted, uint64_t *bytes);
/// Makes a hole of a range of a file, whose size stays.
int cgraph_punch_hole(int file, uint64_t offset, uint64_t length);

#endif
