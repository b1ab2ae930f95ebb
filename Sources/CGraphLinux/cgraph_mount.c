// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cgraph_mount.h"

#include <fcntl.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

const int CGRAPH_MOUNT_ATTR_RDONLY = MOUNT_ATTR_RDONLY;
const int CGRAPH_MOUNT_ATTR_NOSUID = MOUNT_ATTR_NOSUID;
const int CGRAPH_MOUNT_ATTR_NODEV = MOUNT_ATTR_NODEV;
const int CGRAPH_MOUNT_ATTR_NOEXEC = MOUNT_ATTR_NOEXEC;
const int CGRAPH_MS_RDONLY = MS_RDONLY;
const int CGRAPH_MS_NOSUID = MS_NOSUID;
const int CGRAPH_MS_NODEV = MS_NODEV;
const int CGRAPH_MS_NOEXEC = MS_NOEXEC;
const int CGRAPH_UMOUNT_NOFOLLOW = UMOUNT_NOFOLLOW;
const int CGRAPH_MNT_DETACH = MNT_DETACH;

int cgraph_fsopen(const char *type) { return fsopen(type, FSOPEN_CLOEXEC); }

int cgraph_fsconfig_flag(int fs, const char *key) {
    return fsconfig(fs, FSCONFIG_SET_FLAG, key, 0, 0);
}

int cgraph_fsconfig_string(int fs, const char *key, const char *value) {
    return fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0);
}

int cgraph_fsconfig_fd(int fs, const char *key, int fd) {
    return fsconfig(fs, FSCONFIG_SET_FD, key, 0, fd);
}

int cgraph_fsconfig_create(int fs) {
    return fsconfig(fs, FSCONFIG_CMD_CREATE, 0, 0, 0);
}

int cgraph_fsmount(int fs, unsigned attributes) {
    return fsmount(fs, FSMOUNT_CLOEXEC, attributes);
}

int cgraph_move_mount(int mount, const char *target) {
    return move_mount(mount, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
}

int cgraph_open_tree_clone(int directory, const char *path) {
    return open_tree(directory, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
}

int cgraph_mount_setattr(int mount, unsigned long long set, unsigned long long clear) {
    struct mount_attr attributes = {.attr_set = set, .attr_clr = clear};
    return mount_setattr(mount, "", AT_EMPTY_PATH, &attributes, sizeof attributes);
}

int cgraph_open_mount(const char *path) {
    return open_tree(AT_FDCWD, path, OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
}

int cgraph_make_filesystem_read_only(int mount) {
    int fs = fspick(mount, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH), result, error;
    if (fs == -1) return -1;
    result = fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0);
    if (result == 0) result = fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
    error = errno;
    close(fs);
    errno = error;
    return result;
}

int cgraph_mount_make_private(int mount) {
    struct mount_attr attributes = {.propagation = MS_PRIVATE};
    return mount_setattr(mount, "", AT_EMPTY_PATH, &attributes, sizeof attributes);
}

// glibc 2.36 knows neither the call nor its structure.
int cgraph_has_mount(uint64_t mount_id) {
    struct {
        uint32_t size, spare;
        uint64_t mount_id, mask;
    } request = {.size = sizeof request, .mount_id = mount_id};
    uint64_t answer[128];
    return (int)syscall(457, &request, answer, sizeof answer, 0);
}

struct relative_mount {
    int directory;
    const char *source, *target, *type, *data;
    unsigned long flags;
    int error;
};

// The working directory is a thread's own once CLONE_FS is unshared, and the thread ends here, so
// the process never sees it move.
static void *mount_relative(void *argument) {
    struct relative_mount *call = argument;
    call->error = 0;
    if (unshare(CLONE_FS) == -1 || fchdir(call->directory) == -1 ||
        mount(call->source, call->target, call->type, call->flags, call->data) == -1)
        call->error = errno;
    return NULL;
}

int cgraph_mount_relative(int directory, const char *source, const char *target, const char *type,
                          unsigned long flags, const char *data) {
    struct relative_mount call = {directory, source, target, type, data, flags, 0};
    pthread_t thread;
    int error = pthread_create(&thread, NULL, mount_relative, &call);
    if (error == 0) error = pthread_join(thread, NULL);
    if (error == 0) error = call.error;
    errno = error;
    return error == 0 ? 0 : -1;
}
