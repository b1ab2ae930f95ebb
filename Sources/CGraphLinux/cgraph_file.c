// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cgraph_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

const int CGRAPH_AT_EMPTY_PATH = AT_EMPTY_PATH;
const int CGRAPH_SEEK_DATA = SEEK_DATA;
const int CGRAPH_SEEK_HOLE = SEEK_HOLE;
const int CGRAPH_O_PATH = O_PATH;
const int CGRAPH_O_TMPFILE = O_TMPFILE;
const int CGRAPH_O_DIRECTORY = O_DIRECTORY;
const int CGRAPH_O_NOFOLLOW = O_NOFOLLOW;
const int CGRAPH_O_NOATIME = O_NOATIME;
const int CGRAPH_RENAME_NOREPLACE = RENAME_NOREPLACE;
const int CGRAPH_RENAME_EXCHANGE = RENAME_EXCHANGE;
const int CGRAPH_RESOLVE_IN_ROOT = RESOLVE_IN_ROOT;
const int CGRAPH_RESOLVE_BENEATH = RESOLVE_BENEATH;
const int CGRAPH_RESOLVE_NO_MAGICLINKS = RESOLVE_NO_MAGICLINKS;
const int CGRAPH_RESOLVE_NO_SYMLINKS = RESOLVE_NO_SYMLINKS;
const int CGRAPH_FS_IMMUTABLE_FL = FS_IMMUTABLE_FL;
const int CGRAPH_FS_APPEND_FL = FS_APPEND_FL;
const int CGRAPH_FS_NOCOW_FL = FS_NOCOW_FL;

// The same on every architecture.
#ifndef SYS_getxattrat
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#endif

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000U
#endif

int cgraph_openat2(int directory, const char *path, uint64_t flags, uint64_t mode,
                                 uint64_t resolve) {
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

int cgraph_openat(int directory, const char *path, int flags, unsigned mode) {
    return openat(directory, path, flags, mode);
}

int cgraph_renameat2(int from, const char *old, int to, const char *name,
                                   unsigned flags) {
    return renameat2(from, old, to, name, flags);
}

long cgraph_getdents64(int directory, void *buffer, unsigned long size) {
    return syscall(SYS_getdents64, directory, buffer, size);
}

int cgraph_statx(int directory, const char *path, int flags, unsigned extra,
                               struct cgraph_status *out) {
    struct statx raw;
    memset(&raw, 0, sizeof raw);
    if (statx(directory, path, flags | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
              STATX_BASIC_STATS | extra, &raw) == -1)
        return -1;
    out->mode = raw.stx_mode;
    out->uid = raw.stx_uid;
    out->gid = raw.stx_gid;
    out->links = raw.stx_nlink;
    out->inode = raw.stx_ino;
    out->size = raw.stx_size;
    out->blocks = raw.stx_blocks;
    out->attributes = raw.stx_attributes;
    // stx_mnt_id, which glibc 2.36 does not name, lies at byte 0x90 of struct statx.
    memcpy(&out->mount_id, (const char *)&raw + 0x90, sizeof out->mount_id);
    out->mtime_seconds = raw.stx_mtime.tv_sec;
    out->mtime_nanoseconds = raw.stx_mtime.tv_nsec;
    out->ctime_seconds = raw.stx_ctime.tv_sec;
    out->ctime_nanoseconds = raw.stx_ctime.tv_nsec;
    out->atime_seconds = raw.stx_atime.tv_sec;
    out->atime_nanoseconds = raw.stx_atime.tv_nsec;
    out->device_major = raw.stx_dev_major;
    out->device_minor = raw.stx_dev_minor;
    out->special_major = raw.stx_rdev_major;
    out->special_minor = raw.stx_rdev_minor;
    return 0;
}

long cgraph_getxattrat(int directory, const char *path, const char *key, void *value,
                       unsigned long size) {
    // struct xattr_args of linux/xattr.h, which is newer than glibc's headers here.
    struct {
        uint64_t value __attribute__((aligned(8)));
        uint32_t size, flags;
    } arguments = {(uint64_t)(uintptr_t)value, (uint32_t)size, 0};
    return syscall(SYS_getxattrat, directory, path, AT_SYMLINK_NOFOLLOW, key, &arguments,
                   sizeof arguments);
}

long cgraph_listxattrat(int directory, const char *path, char *names, unsigned long size) {
    return syscall(SYS_listxattrat, directory, path, AT_SYMLINK_NOFOLLOW, names, size);
}

int cgraph_mknodat(int directory, const char *path, unsigned mode, unsigned major,
                                 unsigned minor) {
    return mknodat(directory, path, mode, makedev(major, minor));
}

int cgraph_ficlone(int target, int source) { return ioctl(target, FICLONE, source); }

int cgraph_get_flags(int file, int *flags) {
    return ioctl(file, FS_IOC_GETFLAGS, flags);
}

int cgraph_set_flags(int file, int flags) {
    return ioctl(file, FS_IOC_SETFLAGS, &flags);
}

long cgraph_copy_file_range(int in, int64_t *in_offset, int out, int64_t *out_offset,
                                          unsigned long length) {
    return copy_file_range(in, in_offset, out, out_offset, length, 0);
}

int cgraph_syncfs(int file) { return syncfs(file); }

int cgraph_start_writeback(int file) {
    return sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);
}

int cgraph_allocate(int file, uint64_t bytes) {
    return fallocate(file, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes);
}

int cgraph_fstatfs(int file, struct cgraph_filesystem *out) {
    struct statfs raw;
    if (fstatfs(file, &raw) == -1) return -1;
    out->type = (uint64_t)(uint32_t)raw.f_type;
    out->block_size = raw.f_frsize ? raw.f_frsize : raw.f_bsize;
    out->blocks = raw.f_blocks;
    out->blocks_free = raw.f_bfree;
    out->blocks_available = raw.f_bavail;
    out->files = raw.f_files;
    out->files_free = raw.f_ffree;
    out->flags = raw.f_flags;
    return 0;
}

int cgraph_ofd_lock(int file, int64_t byte, int exclusive, int wait) {
    struct flock lock = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET,
                         .l_start = byte, .l_len = 1};
    return fcntl(file, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
}

int cgraph_ofd_is_locked(int file, int64_t byte) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    if (fcntl(file, F_OFD_GETLK, &lock) == -1) return -1;
    return lock.l_type != F_UNLCK;
}

int cgraph_extents(int file, uint64_t offset, struct cgraph_extent *extents, unsigned count) {
    enum { at_once = 64 };
    union {
        struct fiemap map;
        char room[sizeof(struct fiemap) + at_once * sizeof(struct fiemap_extent)];
    } arguments;
    memset(&arguments.map, 0, sizeof arguments.map);
    arguments.map.fm_start = offset;
    arguments.map.fm_length = FIEMAP_MAX_OFFSET - offset;
    arguments.map.fm_extent_count = count < at_once ? count : at_once;
    if (ioctl(file, FS_IOC_FIEMAP, &arguments.map) == -1) return -1;
    const struct fiemap_extent *found = (const struct fiemap_extent *)(arguments.room + sizeof arguments.map);
    for (unsigned index = 0; index < arguments.map.fm_mapped_extents; index++) {
        uint32_t flags = found[index].fe_flags;
        extents[index] = (struct cgraph_extent){
            .offset = found[index].fe_logical,
            .address = found[index].fe_physical,
            .length = found[index].fe_length,
            .is_shared = (flags & FIEMAP_EXTENT_SHARED) != 0,
            .is_delayed = (flags & (FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_UNKNOWN)) != 0,
            .is_inline = (flags & FIEMAP_EXTENT_DATA_INLINE) != 0,
            .is_last = (flags & FIEMAP_EXTENT_LAST) != 0,
        };
    }
    return (int)arguments.map.fm_mapped_extents;
}
