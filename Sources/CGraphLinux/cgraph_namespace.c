// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cgraph_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct namespace_info {
    uint32_t size, mounts;
    uint64_t id;
};
#define GET_MOUNT_NAMESPACE _IOR(0xb7, 10, struct namespace_info)
#define NEXT_MOUNT_NAMESPACE _IOR(0xb7, 11, struct namespace_info)
#define PREVIOUS_MOUNT_NAMESPACE _IOR(0xb7, 12, struct namespace_info)

uint64_t cgraph_mount_namespace_id(int file) {
    struct namespace_info info = {.size = sizeof info};
    return ioctl(file, GET_MOUNT_NAMESPACE, &info) == -1 ? 0 : info.id;
}

int cgraph_next_mount_namespace(int file, int backwards) {
    struct namespace_info info = {.size = sizeof info};
    return ioctl(file, backwards ? PREVIOUS_MOUNT_NAMESPACE : NEXT_MOUNT_NAMESPACE, &info);
}

struct mount_request {
    uint32_t size, spare;
    uint64_t mount_id, parameter, name_space;
};

long cgraph_list_mounts(uint64_t name_space, uint64_t after, uint64_t *ids, unsigned long count) {
    // LSMT_ROOT.
    struct mount_request request = {sizeof request, 0, UINT64_MAX, after, name_space};
    return syscall(458, &request, ids, count, 0);
}

// The head of struct statmount of linux/mount.h; its strings begin behind 512 bytes.
struct mount_answer {
    uint32_t size, options;
    uint64_t mask;
    uint32_t major, minor;
    uint64_t magic;
    uint32_t superblock_flags, type;
    uint64_t mount_id, parent_id;
    uint32_t old_id, old_parent_id;
    uint64_t attributes, propagation, peer_group, master, from;
    uint32_t root, target;
};

int cgraph_mount_facts(uint64_t name_space, uint64_t mount_id, uint64_t mask, void *buffer,
                       unsigned long size, struct cgraph_mount_facts *out) {
    struct mount_request request = {sizeof request, 0, mount_id, mask, name_space};
    memset(buffer, 0, sizeof(struct mount_answer));
    if (syscall(457, &request, buffer, size, 0) == -1) return -1;
    const struct mount_answer *answer = buffer;
    const char *strings = (const char *)buffer + 512;
    out->major = answer->major;
    out->minor = answer->minor;
    out->root = answer->mask & 0x8 ? strings + answer->root : NULL;
    out->target = answer->mask & 0x10 ? strings + answer->target : NULL;
    out->options = answer->mask & 0x80 ? strings + answer->options : NULL;
    return 0;
}

int cgraph_file_handle(int directory, const char *name, void *buffer) {
    struct file_handle *handle = buffer;
    int mount;
    handle->handle_bytes = 128;
    int flags = *name == 0 ? AT_EMPTY_PATH : 0;
    if (name_to_handle_at(directory, name, handle, &mount, flags) == -1) return -1;
    return (int)(offsetof(struct file_handle, f_handle) + handle->handle_bytes);
}

int cgraph_open_handle(int mount, const void *handle) {
    return open_by_handle_at(mount, (struct file_handle *)handle, O_PATH | O_CLOEXEC);
}

int cgraph_shares_files(int one, int other) {
    long order = syscall(SYS_kcmp, one, other, KCMP_FILES, 0, 0);
    return order == -1 ? -1 : order == 0;
}

int cgraph_shares_directories(int one, int other) {
    long order = syscall(SYS_kcmp, one, other, KCMP_FS, 0, 0);
    return order == -1 ? -1 : order == 0;
}
