// SPDX-License-Identifier: Apache-2.0
// Files and directories: calls that glibc lacks, variadic ones, and constants that Swift's Glibc
// module hides.
#ifndef CGRAPH_FILE_H
#define CGRAPH_FILE_H

// Only what Swift's Glibc module includes the same way: feature macros stay in the .c files.
#include <stdint.h>
#include <sys/xattr.h>

extern const int CGRAPH_AT_EMPTY_PATH;
extern const int CGRAPH_SEEK_DATA;
extern const int CGRAPH_SEEK_HOLE;
extern const int CGRAPH_O_PATH;
extern const int CGRAPH_O_TMPFILE;
extern const int CGRAPH_O_DIRECTORY;
extern const int CGRAPH_O_NOFOLLOW;
extern const int CGRAPH_O_NOATIME;
extern const int CGRAPH_RENAME_NOREPLACE;
extern const int CGRAPH_RENAME_EXCHANGE;
extern const int CGRAPH_RESOLVE_IN_ROOT;
extern const int CGRAPH_RESOLVE_BENEATH;
extern const int CGRAPH_RESOLVE_NO_MAGICLINKS;
extern const int CGRAPH_RESOLVE_NO_SYMLINKS;
extern const int CGRAPH_FS_IMMUTABLE_FL;
extern const int CGRAPH_FS_APPEND_FL;
extern const int CGRAPH_FS_NOCOW_FL;

/// What statx(2) tells, in one shape for every caller.
struct cgraph_status {
    uint32_t mode, uid, gid, links;
    uint64_t inode, size, blocks, attributes, mount_id;
    int64_t mtime_seconds, ctime_seconds, atime_seconds;
    uint32_t mtime_nanoseconds, ctime_nanoseconds, atime_nanoseconds;
    uint32_t device_major, device_minor, special_major, special_minor;
};

struct cgraph_filesystem {
    uint64_t type, block_size, blocks, blocks_free, blocks_available, files, files_free, flags;
};

/// A run of a file's blocks.
struct cgraph_extent {
    /// Where it lies in the file, where on the filesystem's devices, and how long it is.
    uint64_t offset, address, length;
    /// Whether other files have the blocks, too.
    int32_t is_shared;
    /// Whether it has no blocks yet, and no address.
    int32_t is_delayed;
    /// Whether it lies in the blocks of metadata.
    int32_t is_inline;
    int32_t is_last;
};

/// FS_IOC_FIEMAP from an offset on: how many of at most `count` extents there are. Files are not
/// written out for it.
int cgraph_extents(int file, uint64_t offset, struct cgraph_extent *extents, unsigned count);

int cgraph_openat2(int directory, const char *path, uint64_t flags, uint64_t mode,
    uint64_t resolve);
int cgraph_openat(int directory, const char *path, int flags, unsigned mode);
int cgraph_renameat2(int from, const char *old, int to, const char *name, unsigned flags);
long cgraph_getdents64(int directory, void *buffer, unsigned long size);
int cgraph_statx(int directory, const char *path, int flags, unsigned extra,
    struct cgraph_status *out);
/// getxattrat(2) and listxattrat(2) of Linux 6.13, which follow no link at the end of the path and fail
/// with ENOSYS before.
long cgraph_getxattrat(int directory, const char *path, const char *key, void *value,
    unsigned long size);
long cgraph_listxattrat(int directory, const char *path, char *names, unsigned long size);
int cgraph_mknodat(int directory, const char *path, unsigned mode, unsigned major, unsigned minor);
int cgraph_ficlone(int target, int source);
/// FS_IOC_GETFLAGS and FS_IOC_SETFLAGS: the immutable and append-only flags among others.
int cgraph_get_flags(int file, int *flags);
int cgraph_set_flags(int file, int flags);
long cgraph_copy_file_range(int in, int64_t *in_offset, int out, int64_t *out_offset,
    unsigned long length);
int cgraph_syncfs(int file);
int cgraph_start_writeback(int file);
// Gives the file blocks for its first bytes, and leaves its size and content: fallocate(2).
int cgraph_allocate(int file, uint64_t bytes);
int cgraph_fstatfs(int file, struct cgraph_filesystem *out);
/// Open file description locks on one byte (fcntl(2), F_OFD_*): released when the last descriptor
/// of this open file closes, so also when the process dies.
int cgraph_ofd_lock(int file, int64_t byte, int exclusive, int wait);
/// 1 when another open file holds a lock on the byte, 0 when none does, -1 on error.
int cgraph_ofd_is_locked(int file, int64_t byte);

#endif
