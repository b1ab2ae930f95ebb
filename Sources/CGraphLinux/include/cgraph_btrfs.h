// SPDX-License-Identifier: Apache-2.0
// btrfs: what libbtrfsutil does not offer, or only with more privileges or at a higher price. Numbers and
// structures are those of libbtrfs-dev's headers, none of whose code is used.
#ifndef CGRAPH_BTRFS_H
#define CGRAPH_BTRFS_H

// Only what Swift's Glibc module includes the same way: feature macros stay in the .c files.
#include <stdint.h>

/// BTRFS_IOC_GET_SUBVOL_ROOTREF: whether other subvolumes lie in this one: 1, 0, or -1 on error. With `path`
/// (4096 bytes) also where one of them does, by BTRFS_IOC_INO_LOOKUP_USER: the directory that holds it,
/// relative, with a slash at its end unless it is empty, and its `name` (256 bytes).
int cgraph_btrfs_child(int subvolume, char *path, char *name);

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

/// Where in a tree an item lies.
struct cgraph_btrfs_key {
    uint64_t object;
    uint32_t type;
    uint64_t offset;
};

/// How many bytes of a buffer for cgraph_btrfs_search lie before the first item.
extern const uint32_t CGRAPH_BTRFS_ITEMS_START;

/// Items of a tree from one key to another, in their order, of all blocks that were written in the
/// transaction `since` or later, no more than `count_max`: how many, 0 behind the last, -1 on error.
/// `tree` 0 is that of the subvolume that `file` lies in. Each item is a struct btrfs_ioctl_search_header
/// with what it holds behind it. BTRFS_IOC_TREE_SEARCH_V2, which only root may call.
int64_t cgraph_btrfs_search(int file, uint64_t tree, const struct cgraph_btrfs_key *from,
    const struct cgraph_btrfs_key *through, uint64_t since, uint32_t count_max, uint8_t *buffer,
    uint32_t size);

/// No inode has a higher number: items of the kernel's own have those behind it.
extern const uint64_t CGRAPH_BTRFS_INODE_MAX;
/// The types of the items that hold an inode's names; all between are theirs.
extern const uint8_t CGRAPH_BTRFS_NAMES_FIRST;
extern const uint8_t CGRAPH_BTRFS_NAMES_LAST;

/// BTRFS_IOC_INO_LOOKUP: the path (4096 bytes) of a directory in the subvolume that `file` lies in,
/// with a slash at its end unless it is empty. Only root may call it.
int cgraph_btrfs_directory_path(int file, uint64_t inode, char *path);

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
