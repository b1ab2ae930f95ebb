// SPDX-License-Identifier: Apache-2.0
// The mount API: Swift's Glibc module imports neither the calls nor their constants.
#ifndef CGRAPH_MOUNT_H
#define CGRAPH_MOUNT_H

// Only what Swift's Glibc module includes the same way: feature macros stay in the .c files.
#include <stdint.h>

extern const int CGRAPH_MOUNT_ATTR_RDONLY;
extern const int CGRAPH_MOUNT_ATTR_NOSUID;
extern const int CGRAPH_MOUNT_ATTR_NODEV;
extern const int CGRAPH_MOUNT_ATTR_NOEXEC;
extern const int CGRAPH_MS_RDONLY;
extern const int CGRAPH_MS_NOSUID;
extern const int CGRAPH_MS_NODEV;
extern const int CGRAPH_MS_NOEXEC;
extern const int CGRAPH_UMOUNT_NOFOLLOW;
extern const int CGRAPH_MNT_DETACH;

int cgraph_fsopen(const char *type);
int cgraph_fsconfig_flag(int fs, const char *key);
int cgraph_fsconfig_string(int fs, const char *key, const char *value);
int cgraph_fsconfig_fd(int fs, const char *key, int fd);
int cgraph_fsconfig_create(int fs);
int cgraph_fsmount(int fs, unsigned attributes);
int cgraph_move_mount(int mount, const char *target);
int cgraph_open_tree_clone(int directory, const char *path);
int cgraph_open_mount(const char *path);
/* For all mounts of the filesystem; EBUSY while a file of it is open for writing. */
int cgraph_make_filesystem_read_only(int mount);
int cgraph_mount_setattr(int mount, unsigned long long set, unsigned long long clear);
int cgraph_mount_make_private(int mount);

/// 0 when the caller's mount namespace has a mount with this unique id; statmount(2), Linux 6.8.
/// -1 with ENOENT when it has none, with ENOSYS on older kernels.
int cgraph_has_mount(uint64_t mount_id);

/// mount(2) with relative paths in `data` resolved from `directory`, without moving the process's
/// own working directory. Sets errno and returns -1 on failure.
int cgraph_mount_relative(int directory, const char *source, const char *target, const char *type,
                          unsigned long flags, const char *data);

#endif
