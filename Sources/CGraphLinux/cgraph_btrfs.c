// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cgraph_btrfs.h"

#include <endian.h>
#include <errno.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

const uint64_t CGRAPH_BTRFS_QUOTA_ON = BTRFS_QGROUP_STATUS_FLAG_ON;
const uint64_t CGRAPH_BTRFS_QUOTA_RESCAN = BTRFS_QGROUP_STATUS_FLAG_RESCAN;
const uint64_t CGRAPH_BTRFS_QUOTA_INCONSISTENT = BTRFS_QGROUP_STATUS_FLAG_INCONSISTENT;
// BTRFS_QGROUP_STATUS_FLAG_SIMPLE_MODE, in headers from Linux 6.7 on.
const uint64_t CGRAPH_BTRFS_QUOTA_SIMPLE = 1ULL << 3;

static int set_name(struct btrfs_ioctl_vol_args_v2 *arguments, const char *name) {
    // The field is longer than any name that a directory takes.
    if (strlen(name) > BTRFS_VOL_NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(arguments->name, name);
    return 0;
}

int cgraph_btrfs_create(int directory, const char *name) {
    struct btrfs_ioctl_vol_args_v2 arguments = {0};
    if (set_name(&arguments, name) == -1) return -1;
    return ioctl(directory, BTRFS_IOC_SUBVOL_CREATE_V2, &arguments);
}

int cgraph_btrfs_snapshot(int directory, const char *name, int source, int read_only) {
    struct btrfs_ioctl_vol_args_v2 arguments = {.fd = source};
    if (set_name(&arguments, name) == -1) return -1;
    if (read_only) arguments.flags = BTRFS_SUBVOL_RDONLY;
    return ioctl(directory, BTRFS_IOC_SNAP_CREATE_V2, &arguments);
}

int cgraph_btrfs_destroy(int directory, const char *name) {
    struct btrfs_ioctl_vol_args_v2 arguments = {0};
    if (set_name(&arguments, name) == -1) return -1;
    return ioctl(directory, BTRFS_IOC_SNAP_DESTROY_V2, &arguments);
}

int cgraph_btrfs_is_read_only(int subvolume) {
    uint64_t flags = 0;
    if (ioctl(subvolume, BTRFS_IOC_SUBVOL_GETFLAGS, &flags) == -1) return -1;
    return (flags & BTRFS_SUBVOL_RDONLY) != 0;
}

int cgraph_btrfs_set_read_only(int subvolume, int read_only) {
    uint64_t flags = 0;
    if (ioctl(subvolume, BTRFS_IOC_SUBVOL_GETFLAGS, &flags) == -1) return -1;
    flags = read_only ? flags | BTRFS_SUBVOL_RDONLY : flags & ~BTRFS_SUBVOL_RDONLY;
    return ioctl(subvolume, BTRFS_IOC_SUBVOL_SETFLAGS, &flags);
}

int cgraph_btrfs_subvolume_id(int file, uint64_t *id) {
    struct btrfs_ioctl_ino_lookup_args arguments = {.objectid = BTRFS_FIRST_FREE_OBJECTID};
    if (ioctl(file, BTRFS_IOC_INO_LOOKUP, &arguments) == -1) return -1;
    *id = arguments.treeid;
    return 0;
}

int cgraph_btrfs_first_child(int subvolume, char *path, char *name) {
    struct btrfs_ioctl_get_subvol_rootref_args references = {0};
    // EOVERFLOW: there are more than fit, and as many as fit are told.
    if (ioctl(subvolume, BTRFS_IOC_GET_SUBVOL_ROOTREF, &references) == -1 && errno != EOVERFLOW)
        return -1;
    if (references.num_items == 0) return 0;
    struct btrfs_ioctl_ino_lookup_user_args place = {
        .treeid = references.rootref[0].treeid, .dirid = references.rootref[0].dirid};
    if (ioctl(subvolume, BTRFS_IOC_INO_LOOKUP_USER, &place) == -1) return -1;
    _Static_assert(sizeof place.path <= 4096 && sizeof place.name <= 256, "both fit");
    memcpy(path, place.path, sizeof place.path);
    memcpy(name, place.name, sizeof place.name);
    return 1;
}

int cgraph_btrfs_has_child(int subvolume) {
    struct btrfs_ioctl_get_subvol_rootref_args references = {0};
    if (ioctl(subvolume, BTRFS_IOC_GET_SUBVOL_ROOTREF, &references) == -1)
        return errno == EOVERFLOW ? 1 : -1;
    return references.num_items != 0;
}

int cgraph_btrfs_subvolume_info(int file, struct cgraph_btrfs_subvolume *info) {
    struct btrfs_ioctl_get_subvol_info_args arguments = {0};
    if (ioctl(file, BTRFS_IOC_GET_SUBVOL_INFO, &arguments) == -1) return -1;
    info->id = arguments.treeid;
    // That of the item on disk, BTRFS_ROOT_SUBVOL_RDONLY, which is not that of the ioctls.
    info->is_read_only = (arguments.flags & 1) != 0;
    memcpy(info->uuid, arguments.uuid, sizeof info->uuid);
    memcpy(info->parent_uuid, arguments.parent_uuid, sizeof info->parent_uuid);
    info->changed = arguments.ctransid;
    info->made = arguments.otransid;
    info->made_seconds = arguments.otime.sec;
    info->made_nanoseconds = arguments.otime.nsec;
    return 0;
}

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

const uint32_t CGRAPH_BTRFS_ITEMS_START = sizeof(struct btrfs_ioctl_search_args_v2);

const uint64_t CGRAPH_BTRFS_INODE_MAX = BTRFS_LAST_FREE_OBJECTID;

int64_t cgraph_btrfs_items(int file, const struct cgraph_btrfs_key *from, uint64_t object_max,
    uint64_t since, uint32_t count_max, uint8_t *buffer, uint32_t size) {
    struct btrfs_ioctl_search_args_v2 *search = (struct btrfs_ioctl_search_args_v2 *)buffer;
    memset(search, 0, sizeof *search);
    struct btrfs_ioctl_search_key *key = &search->key;
    key->min_objectid = from->object;
    key->min_type = from->type;
    key->min_offset = from->offset;
    key->max_objectid = object_max;
    key->max_type = UINT8_MAX;
    key->max_offset = UINT64_MAX;
    key->min_transid = since;
    key->max_transid = UINT64_MAX;
    key->nr_items = count_max;
    search->buf_size = size - sizeof *search;
    if (ioctl(file, BTRFS_IOC_TREE_SEARCH_V2, search) == -1) return -1;
    return key->nr_items;
}

/// Copies one name behind those before it: how many bytes it took, 0 when the item is broken.
static size_t copy_name(uint64_t directory, const uint8_t *name, uint16_t length, size_t rest,
    uint8_t *target) {
    if (length > rest) return 0;
    memcpy(target, &directory, 8);
    memcpy(target + 8, &length, 2);
    memcpy(target + 10, name, length);
    return 10 + (size_t)length;
}

/// Copies the names that an item holds: how many bytes they took, 0 when the item is broken.
static size_t copy_names(
    const struct btrfs_ioctl_search_header *header, const uint8_t *item, uint8_t *target) {
    size_t filled = 0, position = 0;
    while (position < header->len) {
        uint64_t directory = header->offset;
        uint16_t length;
        size_t fixed;
        if (header->type == BTRFS_INODE_REF_KEY) {
            struct btrfs_inode_ref reference;
            fixed = sizeof reference;
            if (header->len - position < fixed) return 0;
            memcpy(&reference, item + position, fixed);
            length = le16toh(reference.name_len);
        } else {
            struct btrfs_inode_extref reference;
            fixed = sizeof reference;
            if (header->len - position < fixed) return 0;
            memcpy(&reference, item + position, fixed);
            directory = le64toh(reference.parent_objectid);
            length = le16toh(reference.name_len);
        }
        position += fixed;
        size_t taken =
            copy_name(directory, item + position, length, header->len - position, target + filled);
        if (taken == 0) return 0;
        position += length;
        filled += taken;
    }
    return filled;
}

int cgraph_btrfs_names(int file, uint64_t inode, struct cgraph_btrfs_cursor *cursor, uint8_t *names) {
    // Names take no more room than their items, which are at most as large as a block of metadata.
    enum { room = 128 << 10 };
    struct btrfs_ioctl_search_args_v2 *search = calloc(1, sizeof *search + room);
    if (search == NULL) return -1;
    struct btrfs_ioctl_search_key *key = &search->key;
    key->min_objectid = key->max_objectid = inode;
    key->min_type = cursor->type == 0 ? BTRFS_INODE_REF_KEY : cursor->type;
    key->max_type = BTRFS_INODE_EXTREF_KEY;
    key->min_offset = cursor->offset;
    key->max_offset = UINT64_MAX;
    key->max_transid = UINT64_MAX;
    key->nr_items = UINT32_MAX;
    search->buf_size = room;
    int result = ioctl(file, BTRFS_IOC_TREE_SEARCH_V2, search);
    size_t filled = 0, position = 0;
    for (uint32_t index = 0; result == 0 && index < key->nr_items; index++) {
        struct btrfs_ioctl_search_header header;
        const uint8_t *item = (const uint8_t *)search->buf + position;
        memcpy(&header, item, sizeof header);
        position += sizeof header + header.len;
        size_t taken = copy_names(&header, item + sizeof header, names + filled);
        if (taken == 0) {
            errno = EUCLEAN;
            result = -1;
        }
        filled += taken;
        // No directory has the last number, and where a hash is that, the next type is none.
        cursor->type = header.type;
        cursor->offset = header.offset + 1;
        if (cursor->offset == 0) cursor->type += 1;
    }
    free(search);
    return result == 0 ? (int)filled : -1;
}

int cgraph_btrfs_directory_path(int file, uint64_t inode, char *path) {
    struct btrfs_ioctl_ino_lookup_args arguments = {.objectid = inode};
    if (ioctl(file, BTRFS_IOC_INO_LOOKUP, &arguments) == -1) return -1;
    _Static_assert(sizeof arguments.name <= 4096, "it fits");
    memcpy(path, arguments.name, sizeof arguments.name);
    return 0;
}

int cgraph_btrfs_sync(int file) { return ioctl(file, BTRFS_IOC_SYNC); }

/// Copies the first item of this type between two offsets: 1, 0 when there is none, -1 on error.
static int find_item(int file, uint64_t tree, uint64_t object, uint32_t type, uint64_t offset_min,
    uint64_t offset_max, void *item, size_t size) {
    union {
        struct btrfs_ioctl_search_args_v2 arguments;
        uint8_t room[sizeof(struct btrfs_ioctl_search_args_v2) + 4096];
    } search;
    memset(&search, 0, sizeof search);
    struct btrfs_ioctl_search_key *key = &search.arguments.key;
    key->tree_id = tree;
    key->min_objectid = key->max_objectid = object;
    key->min_type = key->max_type = type;
    key->min_offset = offset_min;
    key->max_offset = offset_max;
    key->max_transid = UINT64_MAX;
    key->nr_items = 1;
    search.arguments.buf_size = 4096;
    if (ioctl(file, BTRFS_IOC_TREE_SEARCH_V2, &search.arguments) == -1)
        return errno == ENOENT ? 0 : -1;  // ENOENT: there is no such tree
    if (key->nr_items == 0) return 0;
    struct btrfs_ioctl_search_header header;
    memcpy(&header, search.arguments.buf, sizeof header);
    if (header.len < size) {
        errno = EUCLEAN;
        return -1;
    }
    memcpy(item, search.arguments.buf + sizeof header, size);
    return 1;
}

int cgraph_btrfs_has_root(int file, uint64_t id) {
    uint8_t item;
    return find_item(file, BTRFS_ROOT_TREE_OBJECTID, id, BTRFS_ROOT_ITEM_KEY, 0, UINT64_MAX, &item,
        sizeof item);
}

int64_t cgraph_btrfs_dead_roots(int file) {
    // The root tree names what to go on with after a crash; other names there are of no subvolume.
    enum { room = 16 << 10 };
    struct btrfs_ioctl_search_args_v2 *search = calloc(1, sizeof *search + room);
    if (search == NULL) return -1;
    struct btrfs_ioctl_search_key *key = &search->key;
    int64_t count = 0;
    uint64_t next = BTRFS_FIRST_FREE_OBJECTID;
    do {
        key->tree_id = BTRFS_ROOT_TREE_OBJECTID;
        key->min_objectid = key->max_objectid = BTRFS_ORPHAN_OBJECTID;
        key->min_type = key->max_type = BTRFS_ORPHAN_ITEM_KEY;
        key->min_offset = next;
        key->max_offset = BTRFS_LAST_FREE_OBJECTID;
        key->max_transid = UINT64_MAX;
        key->nr_items = UINT32_MAX;
        search->buf_size = room;
        if (ioctl(file, BTRFS_IOC_TREE_SEARCH_V2, search) == -1) count = -1;
        size_t position = 0;
        for (uint32_t index = 0; count != -1 && index < key->nr_items; index++) {
            struct btrfs_ioctl_search_header header;
            memcpy(&header, (const uint8_t *)search->buf + position, sizeof header);
            position += sizeof header + header.len;
            next = header.offset + 1;
            int found = cgraph_btrfs_has_root(file, header.offset);
            count = found == -1 ? -1 : count + found;
        }
    } while (count != -1 && key->nr_items > 0);
    free(search);
    return count;
}

int cgraph_btrfs_quota_flags(int file, uint64_t *flags) {
    struct btrfs_qgroup_status_item item;
    int found = find_item(file, BTRFS_QUOTA_TREE_OBJECTID, 0, BTRFS_QGROUP_STATUS_KEY, 0, 0, &item,
        sizeof item);
    if (found == 1) *flags = le64toh(item.flags);
    return found;
}

int cgraph_btrfs_quota_usage(int file, uint64_t id, uint64_t *referenced, uint64_t *exclusive) {
    struct btrfs_qgroup_info_item item;
    int found = find_item(file, BTRFS_QUOTA_TREE_OBJECTID, 0, BTRFS_QGROUP_INFO_KEY, id, id, &item,
        sizeof item);
    if (found == 1) {
        *referenced = le64toh(item.rfer);
        *exclusive = le64toh(item.excl);
    }
    return found;
}

int cgraph_btrfs_limit(int subvolume, uint64_t exclusive_max) {
    // Group 0 stands for that of the subvolume itself.
    struct btrfs_ioctl_qgroup_limit_args arguments = {
        .lim = {.flags = BTRFS_QGROUP_LIMIT_MAX_EXCL, .max_excl = exclusive_max}};
    return ioctl(subvolume, BTRFS_IOC_QGROUP_LIMIT, &arguments);
}

int cgraph_btrfs_remove_quota_group(int file, uint64_t id) {
    struct btrfs_ioctl_qgroup_create_args arguments = {.create = 0, .qgroupid = id};
    return ioctl(file, BTRFS_IOC_QGROUP_CREATE, &arguments);
}
