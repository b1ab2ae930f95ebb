// SPDX-License-Identifier: Apache-2.0
// libbtrfsutil, loaded when something of it is first called: what is linked costs each start of a command
// its share, and a host without btrfs need not have it.
#ifndef CGRAPH_BTRFSUTIL_H
#define CGRAPH_BTRFSUTIL_H

#include <btrfsutil.h>

/// What is used of the library, by its own names and types.
#define CGRAPH_BTRFSUTIL_FUNCTIONS(each) \
    each(create_subvolume_fd)            \
    each(create_snapshot_fd2)            \
    each(delete_subvolume_fd)            \
    each(get_subvolume_read_only_fd)     \
    each(set_subvolume_read_only_fd)     \
    each(subvolume_id_fd)                \
    each(subvolume_info_fd)              \
    each(deleted_subvolumes_fd)          \
    each(sync_fd)

struct cgraph_btrfsutil {
#define CGRAPH_FIELD(name) __typeof__(btrfs_util_##name) *name;
    CGRAPH_BTRFSUTIL_FUNCTIONS(CGRAPH_FIELD)
#undef CGRAPH_FIELD
};

/// Loads the library: NULL, or why it cannot be, until this thread's next call of dlopen(3).
const char *cgraph_btrfsutil_load(struct cgraph_btrfsutil *functions);

/// The path that the library was loaded from, which a link may stand for; NULL for none.
const char *cgraph_btrfsutil_file(const struct cgraph_btrfsutil *functions);

#endif
