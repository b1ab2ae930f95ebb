// SPDX-License-Identifier: Apache-2.0
// Who holds what: mount namespaces and their mounts (Linux 6.8 to 6.12), file handles, and what threads
// share. glibc 2.36 knows none of the first.
#ifndef CGRAPH_NAMESPACE_H
#define CGRAPH_NAMESPACE_H

// Only what Swift's Glibc module includes the same way: feature macros stay in the .c files.
#include <stdint.h>

/// The kernel's number of the mount namespace that a descriptor is open on; 0 and errno on failure.
uint64_t cgraph_mount_namespace_id(int file);
/// Opens the next mount namespace that the caller may look into, or the one before: NS_MNT_GET_NEXT,
/// NS_MNT_GET_PREV. -1 with ENOENT behind the last.
int cgraph_next_mount_namespace(int file, int backwards);
/// The unique ids of a namespace's mounts behind one, in the order in which they were made; 0 begins.
long cgraph_list_mounts(uint64_t name_space, uint64_t after, uint64_t *ids, unsigned long count);

enum { CGRAPH_MOUNT_DEVICE = 0x1, CGRAPH_MOUNT_PLACES = 0x18, CGRAPH_MOUNT_OPTIONS = 0x80 };

/// What statmount(2) tells of a mount; strings point into the caller's buffer, and are NULL unless they
/// were asked for.
struct cgraph_mount_facts {
    uint32_t major, minor;
    const char *root, *target, *options;
};
/// -1 with ENOENT for a mount that is gone, EOVERFLOW when the buffer is too small.
int cgraph_mount_facts(uint64_t name_space, uint64_t mount_id, uint64_t mask, void *buffer,
                       unsigned long size, struct cgraph_mount_facts *out);

/// name_to_handle_at(2) into a buffer of 136 bytes; returns the bytes used, -1 on failure.
int cgraph_file_handle(int directory, const char *name, void *buffer);
/// open_by_handle_at(2) with O_PATH.
int cgraph_open_handle(int mount, const void *handle);
/// Whether two tasks share their table of descriptors, or their working directory: kcmp(2). -1 on failure.
int cgraph_shares_files(int one, int other);
int cgraph_shares_directories(int one, int other);

#endif
