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

int cgraph_loop_configure(int loop, int file) {
    struct loop_config configuration = {.fd = (unsigned)file};
    configuration.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    return ioctl(loop, LOOP_CONFIGURE, &configuration);
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
