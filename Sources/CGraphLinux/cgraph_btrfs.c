// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cgraph_btrfs.h"

#include <btrfs/ctree.h>
#include <btrfs/ioctl.h>
#include <btrfs/send.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

const uint64_t CGRAPH_BTRFS_QUOTA_ON = BTRFS_QGROUP_STATUS_FLAG_ON;
const uint64_t CGRAPH_BTRFS_QUOTA_RESCAN = BTRFS_QGROUP_STATUS_FLAG_RESCAN;
const uint64_t CGRAPH_BTRFS_QUOTA_INCONSISTENT = BTRFS_QGROUP_STATUS_FLAG_INCONSISTENT;
// BTRFS_QGROUP_STATUS_FLAG_SIMPLE_MODE, in headers from Linux 6.7 on.
const uint64_t CGRAPH_BTRFS_QUOTA_SIMPLE = 1ULL << 3;
const uint64_t CGRAPH_BTRFS_INODE_MAX = BTRFS_LAST_FREE_OBJECTID;
const uint8_t CGRAPH_BTRFS_NAMES_FIRST = BTRFS_INODE_REF_KEY;
const uint8_t CGRAPH_BTRFS_NAMES_LAST = BTRFS_INODE_EXTREF_KEY;
const uint32_t CGRAPH_BTRFS_ITEMS_START = sizeof(struct btrfs_ioctl_search_args_v2);

// What Swift's readers of search results and send streams count on.
_Static_assert(sizeof(struct btrfs_ioctl_search_header) == 32, "before each item");
_Static_assert(sizeof(struct btrfs_inode_item) == 160 && BTRFS_INODE_ITEM_KEY == 1, "an inode");
_Static_assert(sizeof(struct btrfs_inode_ref) == 10 && BTRFS_INODE_REF_KEY == 12, "names");
_Static_assert(sizeof(struct btrfs_inode_extref) == 18 && BTRFS_INODE_EXTREF_KEY == 13, "more names");
_Static_assert(BTRFS_SEND_C_SUBVOL == 1 && BTRFS_SEND_C_RENAME == 9 && BTRFS_SEND_C_WRITE == 15
        && BTRFS_SEND_C_UPDATE_EXTENT == 22, "commands");
_Static_assert(BTRFS_SEND_A_PATH == 15 && BTRFS_SEND_A_PATH_TO == 16 && BTRFS_SEND_A_PATH_LINK == 17
        && BTRFS_SEND_A_DATA == 19, "attributes");

// libbtrfsutil's iterator searches the root tree for whoever has the user id 0, which root of a user
// namespace is refused; these two ioctls are for everybody.
int cgraph_btrfs_child(int subvolume, char *path, char *name) {
    struct btrfs_ioctl_get_subvol_rootref_args references = {0};
    // EOVERFLOW: there are more than fit, and as many as fit are told.
    if (ioctl(subvolume, BTRFS_IOC_GET_SUBVOL_ROOTREF, &references) == -1 && errno != EOVERFLOW)
        return -1;
    if (references.num_items == 0 || path == NULL) return references.num_items != 0;
    struct btrfs_ioctl_ino_lookup_user_args place = {
        .treeid = references.rootref[0].treeid, .dirid = references.rootref[0].dirid};
    if (ioctl(subvolume, BTRFS_IOC_INO_LOOKUP_USER, &place) == -1) return -1;
    _Static_assert(sizeof place.path <= 4096 && sizeof place.name <= 256, "both fit");
    memcpy(path, place.path, sizeof place.path);
    memcpy(name, place.name, sizeof place.name);
    return 1;
}

// libbtrfsutil asks by the same search, and takes five calls where this is one.
int cgraph_btrfs_subvolume_info(int file, struct cgraph_btrfs_subvolume *info) {
    struct btrfs_ioctl_get_subvol_info_args arguments = {0};
    if (ioctl(file, BTRFS_IOC_GET_SUBVOL_INFO, &arguments) == -1) return -1;
    info->id = arguments.treeid;
    info->is_read_only = (arguments.flags & BTRFS_ROOT_SUBVOL_RDONLY) != 0;
    memcpy(info->uuid, arguments.uuid, sizeof info->uuid);
    memcpy(info->parent_uuid, arguments.parent_uuid, sizeof info->parent_uuid);
    info->changed = arguments.ctransid;
    info->made = arguments.otransid;
    info->made_seconds = arguments.otime.sec;
    info->made_nanoseconds = arguments.otime.nsec;
    return 0;
}

// From here on: libbtrfsutil has no sending, no search, and of quota groups only inheritance.
int cgraph_btrfs_send(int subvolume, int output, uint64_t parent) {
    struct btrfs_ioctl_send_args arguments = {
        .send_fd = output, .parent_root = parent, .flags = BTRFS_SEND_FLAG_NO_FILE_DATA};
    return ioctl(subvolume, BTRFS_IOC_SEND, &arguments);
}

int cgraph_btrfs_settle(int subvolume, uint64_t parent) {
    // Not connected: the kernel's first write fails, and with a number that nothing else gives.
    int output = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (output == -1) return -1;
    int result = cgraph_btrfs_send(subvolume, output, parent);
    int reason = errno;
    close(output);
    errno = reason;
    return result == -1 && reason == ENOTCONN ? 0 : result;
}

int64_t cgraph_btrfs_search(int file, uint64_t tree, const struct cgraph_btrfs_key *from,
    const struct cgraph_btrfs_key *through, uint64_t since, uint32_t count_max, uint8_t *buffer,
    uint32_t size) {
    struct btrfs_ioctl_search_args_v2 *search = (struct btrfs_ioctl_search_args_v2 *)buffer;
    *search = (struct btrfs_ioctl_search_args_v2){.buf_size = size - sizeof *search,
        .key = {.tree_id = tree, .min_objectid = from->object, .max_objectid = through->object,
            .min_type = from->type, .max_type = through->type, .min_offset = from->offset,
            .max_offset = through->offset, .min_transid = since, .max_transid = UINT64_MAX,
            .nr_items = count_max}};
    if (ioctl(file, BTRFS_IOC_TREE_SEARCH_V2, search) == -1) return -1;
    return search->key.nr_items;
}

int cgraph_btrfs_directory_path(int file, uint64_t inode, char *path) {
    struct btrfs_ioctl_ino_lookup_args arguments = {.objectid = inode};
    if (ioctl(file, BTRFS_IOC_INO_LOOKUP, &arguments) == -1) return -1;
    memcpy(path, arguments.name, sizeof arguments.name);
    return 0;
}

/// Copies what an item of the quota tree holds: 1, 0 when there is none, -1 on error.
static int find_quota_item(int file, uint32_t type, uint64_t offset, void *item, size_t size) {
    _Alignas(struct btrfs_ioctl_search_args_v2) uint8_t buffer[4096];
    struct cgraph_btrfs_key key = {.type = type, .offset = offset};
    int64_t count = cgraph_btrfs_search(
        file, BTRFS_QUOTA_TREE_OBJECTID, &key, &key, 0, 1, buffer, sizeof buffer);
    if (count == -1) return errno == ENOENT ? 0 : -1;  // ENOENT: there is no such tree
    if (count == 0) return 0;
    struct btrfs_ioctl_search_header header;
    memcpy(&header, buffer + CGRAPH_BTRFS_ITEMS_START, sizeof header);
    if (header.len < size) {
        errno = EUCLEAN;
        return -1;
    }
    memcpy(item, buffer + CGRAPH_BTRFS_ITEMS_START + sizeof header, size);
    return 1;
}

int cgraph_btrfs_quota_flags(int file, uint64_t *flags) {
    struct btrfs_qgroup_status_item item;
    int found = find_quota_item(file, BTRFS_QGROUP_STATUS_KEY, 0, &item, sizeof item);
    if (found == 1) *flags = le64toh(item.flags);
    return found;
}

int cgraph_btrfs_quota_usage(int file, uint64_t id, uint64_t *referenced, uint64_t *exclusive) {
    struct btrfs_qgroup_info_item item;
    int found = find_quota_item(file, BTRFS_QGROUP_INFO_KEY, id, &item, sizeof item);
    if (found != 1) return found;
    *referenced = le64toh(item.referenced);
    *exclusive = le64toh(item.exclusive);
    return 1;
}

int cgraph_btrfs_limit(int subvolume, uint64_t exclusive_max) {
    // Group 0 stands for that of the subvolume itself.
    struct btrfs_ioctl_qgroup_limit_args arguments = {
        .lim = {.flags = BTRFS_QGROUP_LIMIT_MAX_EXCL, .max_exclusive = exclusive_max}};
    return ioctl(subvolume, BTRFS_IOC_QGROUP_LIMIT, &arguments);
}

int cgraph_btrfs_remove_quota_group(int file, uint64_t id) {
    struct btrfs_ioctl_qgroup_create_args arguments = {.create = 0, .qgroupid = id};
    return ioctl(file, BTRFS_IOC_QGROUP_CREATE, &arguments);
}
