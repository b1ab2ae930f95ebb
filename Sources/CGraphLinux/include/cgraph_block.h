// SPDX-License-Identifier: Apache-2.0
// Block devices: device mapper by its own ioctls, loop devices, sizes and discards.
#ifndef CGRAPH_BLOCK_H
#define CGRAPH_BLOCK_H

#include <stddef.h>
#include <stdint.h>

extern const uint32_t CGRAPH_DM_READONLY;
extern const uint32_t CGRAPH_DM_SUSPENDED;
extern const uint32_t CGRAPH_DM_ACTIVE;

/// What device mapper tells about a device with every answer.
typedef struct {
    uint32_t flags;
    uint32_t major, minor;
    int32_t open_count;
    char name[128];
    char uuid[129];
} cgraph_dm_info;

/// All return 0, or -1 with errno. A device is named by `name`, or where that is NULL by its number.
int cgraph_dm_version(int control, uint32_t version[3]);
/// 1 when the kernel has a target of this type now, 0 when not.
int cgraph_dm_has_target(int control, const char *type);
int cgraph_dm_create(int control, const char *name, const char *uuid, cgraph_dm_info *info);
int cgraph_dm_status(int control, const char *name, uint32_t major, uint32_t minor,
                     cgraph_dm_info *info);
/// `deferred`: a device in use goes away with its last user.
int cgraph_dm_remove(int control, const char *name, int deferred);
/// Loads a table of one target, which the next resume makes live.
int cgraph_dm_load(int control, const char *name, uint64_t sectors, const char *type,
                   const char *parameters, int read_only);
/// `abandoning`: without waiting for what is on its way, or for a filesystem.
int cgraph_dm_suspend(int control, const char *name, int abandoning);
int cgraph_dm_resume(int control, const char *name);
/// The type and the parameters or status of the first target; ENODATA when there is no live table,
/// EOVERFLOW when the text does not fit.
int cgraph_dm_target(int control, const char *name, int is_table, char type[16], uint64_t *sectors,
                     char *text, size_t size);
int cgraph_dm_message(int control, const char *name, const char *message);
/// Device names, each closed by a NUL, in a block that the caller frees.
int cgraph_dm_list(int control, char **names, size_t *size);

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
