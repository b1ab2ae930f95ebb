// SPDX-License-Identifier: Apache-2.0
// btrfs: subvolumes, snapshots and quota groups, by the kernel's ioctls alone (linux/btrfs.h).
#ifndef CGRAPH_BTRFS_H
#define CGRAPH_BTRFS_H

// Only what Swift's Glibc module includes the same way: feature macros stay in the .c files.
#include <stdint.h>

/// BTRFS_IOC_SUBVOL_CREATE_V2 and BTRFS_IOC_SNAP_CREATE_V2: a subvolume named `name` in `directory`.
int cgraph_btrfs_create(int directory, const char *name);
int cgraph_btrfs_snapshot(int directory, const char *name, int source, int read_only);
/// BTRFS_IOC_SNAP_DESTROY_V2: frees a subvolume that holds no other one, whatever its content.
int cgraph_btrfs_destroy(int directory, const char *name);

/// BTRFS_IOC_SUBVOL_GETFLAGS and SETFLAGS. The first gives 1 or 0, the second commits a transaction.
int cgraph_btrfs_is_read_only(int subvolume);
int cgraph_btrfs_set_read_only(int subvolume, int read_only);

/// BTRFS_IOC_INO_LOOKUP: the id of the subvolume that a file lies in.
int cgraph_btrfs_subvolume_id(int file, uint64_t *id);

/// BTRFS_IOC_GET_SUBVOL_ROOTREF and BTRFS_IOC_INO_LOOKUP_USER: 1 with one of the subvolumes that
/// lie in this one, 0 when there are none, -1 on error. `path` (4096 bytes) is of the directory
/// that holds it, relative, with a slash at its end unless it is empty; `name` has 256 bytes.
int cgraph_btrfs_first_child(int subvolume, char *path, char *name);

/// BTRFS_IOC_GET_SUBVOL_ROOTREF: whether other subvolumes lie in this one: 1, 0, or -1 on error.
int cgraph_btrfs_has_child(int subvolume);

struct cgraph_btrfs_subvolume {
    uint64_t id;
    int32_t is_read_only;
    uint8_t uuid[16];
    /// Of the subvolume that this one is a snapshot of; zeros for none.
    uint8_t parent_uuid[16];
    /// The transaction that last changed what is in it, and the one that made it.
    uint64_t changed, made;
    /// When it was made: seconds since 1970 and nanoseconds.
    uint64_t made_seconds;
    uint32_t made_nanoseconds;
};

/// BTRFS_IOC_GET_SUBVOL_INFO: what the kernel keeps about the subvolume that a file lies in.
int cgraph_btrfs_subvolume_info(int file, struct cgraph_btrfs_subvolume *info);

/// BTRFS_IOC_SEND with BTRFS_SEND_FLAG_NO_FILE_DATA: writes how this read-only subvolume differs from
/// the one with the id `parent`, read-only as well, to `output`. Only root may call it.
int cgraph_btrfs_send(int subvolume, int output, uint64_t parent);

/// Puts what was written to this read-only subvolume, and to the one with the id `parent`, where a search
/// finds it. BTRFS_IOC_SEND into a socket that takes nothing: before its first byte the kernel writes the
/// data of both that is still in memory, and commits the transaction if one of them is part of it. Where
/// there is nothing to write that takes some microseconds. Only root may call it.
int cgraph_btrfs_settle(int subvolume, uint64_t parent);

/// Where in a subvolume's tree an item lies.
struct cgraph_btrfs_key {
    uint64_t object;
    uint32_t type;
    uint64_t offset;
};

/// How many bytes of a buffer for cgraph_btrfs_items lie before the first item.
extern const uint32_t CGRAPH_BTRFS_ITEMS_START;

/// Items of the subvolume that `file` lies in from a key on to the last of an object, in the order of their
/// keys, of all blocks that were written in the transaction `since` or later, no more than `count_max`:
/// how many, 0 behind the last, -1 on error.
/// Each is a struct btrfs_ioctl_search_header with what it holds behind it. BTRFS_IOC_TREE_SEARCH_V2,
/// which only root may call.
int64_t cgraph_btrfs_items(int file, const struct cgraph_btrfs_key *from, uint64_t object_max,
    uint64_t since, uint32_t count_max, uint8_t *buffer, uint32_t size);

/// No inode has a higher number: items of the kernel's own have those behind it.
extern const uint64_t CGRAPH_BTRFS_INODE_MAX;

/// Where to go on looking for the names of an inode; zeros to begin with.
struct cgraph_btrfs_cursor {
    uint32_t type;
    uint64_t offset;
};

/// Some of the names of an inode in the subvolume that `file` lies in: how many bytes of `names`
/// (128 KiB) were filled, 0 behind the last, -1 on error. Each name is the inode number of its
/// directory (8 bytes), its length (2 bytes), both as this processor keeps them, and its bytes.
/// BTRFS_IOC_TREE_SEARCH_V2, which only root may call.
int cgraph_btrfs_names(int file, uint64_t inode, struct cgraph_btrfs_cursor *cursor, uint8_t *names);

/// BTRFS_IOC_INO_LOOKUP: the path (4096 bytes) of a directory in the subvolume that `file` lies in,
/// with a slash at its end unless it is empty. Only root may call it.
int cgraph_btrfs_directory_path(int file, uint64_t inode, char *path);

/// BTRFS_IOC_SYNC: commits, and wakes the kernel's threads that free dropped subvolumes.
int cgraph_btrfs_sync(int file);

/// Whether the root tree still holds a subvolume, dropped or not: 1, 0, or -1 on error.
/// BTRFS_IOC_TREE_SEARCH_V2, which only root may call.
int cgraph_btrfs_has_root(int file, uint64_t id);

/// How many subvolumes were destroyed whose blocks are still to be freed, or -1 on error.
/// BTRFS_IOC_TREE_SEARCH_V2, which only root may call.
int64_t cgraph_btrfs_dead_roots(int file);

extern const uint64_t CGRAPH_BTRFS_QUOTA_ON;
extern const uint64_t CGRAPH_BTRFS_QUOTA_RESCAN;
extern const uint64_t CGRAPH_BTRFS_QUOTA_INCONSISTENT;
extern const uint64_t CGRAPH_BTRFS_QUOTA_SIMPLE;

/// The state of quotas: 1 with the flags of their status item, 0 when there are none, -1 on error.
/// BTRFS_IOC_TREE_SEARCH_V2.
int cgraph_btrfs_quota_flags(int file, uint64_t *flags);

/// What the quota group of a subvolume counted at the last commit: 1, 0 when there is no such group,
/// or -1 on error. BTRFS_IOC_TREE_SEARCH_V2.
int cgraph_btrfs_quota_usage(int file, uint64_t id, uint64_t *referenced, uint64_t *exclusive);

/// BTRFS_IOC_QGROUP_LIMIT of the subvolume that `subvolume` lies in: the most exclusive bytes;
/// UINT64_MAX for no limit.
int cgraph_btrfs_limit(int subvolume, uint64_t exclusive_max);

/// BTRFS_IOC_QGROUP_CREATE with `create` unset: forgets the quota group of a dropped subvolume.
int cgraph_btrfs_remove_quota_group(int file, uint64_t id);

#endif
