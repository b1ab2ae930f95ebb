// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cgraph_block.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

const int CGRAPH_O_DIRECT = O_DIRECT;

int cgraph_loop_free(int control) { return ioctl(control, LOOP_CTL_GET_FREE); }

int cgraph_loop_configure(int loop, int file, uint32_t block_size, int direct, int read_only) {
    struct loop_config configuration = {.fd = (unsigned)file, .block_size = block_size};
    configuration.info.lo_flags = LO_FLAGS_AUTOCLEAR | (direct ? LO_FLAGS_DIRECT_IO : 0) |
                                  (read_only ? LO_FLAGS_READ_ONLY : 0);
    return ioctl(loop, LOOP_CONFIGURE, &configuration);
}

int cgraph_loop_is_direct(int loop) {
    struct loop_info64 info = {0};
    if (ioctl(loop, LOOP_GET_STATUS64, &info) == -1) return -1;
    return (info.lo_flags & LO_FLAGS_DIRECT_IO) != 0;
}

int cgraph_loop_backing(int loop, uint64_t *device, uint64_t *inode) {
    struct loop_info64 info = {0};
    if (ioctl(loop, LOOP_GET_STATUS64, &info) == -1) return -1;
    *device = info.lo_device;
    *inode = info.lo_inode;
    return 0;
}

int cgraph_loop_refresh(int loop) { return ioctl(loop, LOOP_SET_CAPACITY); }

uint64_t cgraph_loop_device(uint32_t major, uint32_t minor) {
    return (minor & 0xff) | (uint64_t)major << 8 | (uint64_t)(minor & ~0xffu) << 12;
}

int cgraph_block_size(int device, uint64_t *bytes) { return ioctl(device, BLKGETSIZE64, bytes); }

int cgraph_block_discard(int device, uint64_t bytes) {
    uint64_t range[2] = {0, bytes};
    return ioctl(device, BLKDISCARD, range);
}

int cgraph_read_direct(int file, uint64_t offset, void *block) {
    void *aligned = NULL;
    int error = posix_memalign(&aligned, 4096, 4096);
    if (error != 0) {
        errno = error;
        return -1;
    }
    ssize_t count = pread(file, aligned, 4096, (off_t)offset);
    error = count == -1 ? errno : EIO;
    if (count == 4096) memcpy(block, aligned, 4096);
    free(aligned);
    errno = error;
    return count == 4096 ? 0 : -1;
}

// EXT4_IOC_RESIZE_FS, which no header for programs has.
int cgraph_ext4_resize(int mounted, uint64_t blocks) {
    return ioctl(mounted, _IOW('f', 16, uint64_t), &blocks);
}

// XFS_IOC_FSGROWFSDATA of xfs_fs.h, which is in no header of the kernel for programs.
int cgraph_xfs_grow(int mounted, uint64_t blocks) {
    struct {
        uint64_t blocks;
        uint32_t inodes_percent;
    } growth = {blocks, 25};
    return ioctl(mounted, _IOW('X', 110, growth), &growth);
}

int cgraph_trim(int mounted, uint64_t *bytes) {
    struct fstrim_range range = {.len = UINT64_MAX};
    int result = ioctl(mounted, FITRIM, &range);
    *bytes = range.len;
    return result;
}

int cgraph_punch_hole(int file, uint64_t offset, uint64_t length) {
    return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                     (off_t)length);
}

// XFS_IOC_FSGEOMETRY_V1 of xfs_fs.h.
int cgraph_xfs_bytes(int mounted, uint64_t *bytes) {
    struct {
        uint32_t block_size, realtime_extent, group_blocks, group_count, log_blocks, sector_size,
            inode_size, inode_percent;
        uint64_t data_blocks, realtime_blocks, realtime_extents, log_start;
        unsigned char uuid[16];
        uint32_t stripe_unit, stripe_width;
        int32_t version;
        uint32_t flags, log_sector_size, realtime_sector_size, directory_block_size;
    } geometry = {0};
    int result = ioctl(mounted, _IOR('X', 100, geometry), &geometry);
    *bytes = geometry.data_blocks * geometry.block_size;
    return result;
}
