// SPDX-License-Identifier: Apache-2.0
// libdevmapper, loaded when something of it is first called: with the four libraries that it needs it would
// cost each start of a command its share, and a host without thin pools need not have it.
#ifndef CGRAPH_DEVMAPPER_H
#define CGRAPH_DEVMAPPER_H

#include <libdevmapper.h>

/// What is used of the library, by its own names and types.
#define CGRAPH_DEVMAPPER_FUNCTIONS(each) \
    each(get_library_version)            \
    each(get_next_target)                \
    each(lib_release)                    \
    each(log_with_errno_init)            \
    each(task_add_target)                \
    each(task_create)                    \
    each(task_deferred_remove)           \
    each(task_destroy)                   \
    each(task_get_errno)                 \
    each(task_get_info)                  \
    each(task_get_name)                  \
    each(task_get_name_mangled)          \
    each(task_get_names)                 \
    each(task_get_uuid)                  \
    each(task_get_versions)              \
    each(task_no_flush)                  \
    each(task_run)                       \
    each(task_set_cookie)                \
    each(task_set_major)                 \
    each(task_set_message)               \
    each(task_set_minor)                 \
    each(task_set_name)                  \
    each(task_set_ro)                    \
    each(task_set_sector)                \
    each(task_set_uuid)                  \
    each(task_skip_lockfs)               \
    each(task_update_nodes)              \
    each(udev_get_sync_support)          \
    each(udev_set_sync_support)          \
    each(udev_wait_immediate)

struct cgraph_devmapper {
#define CGRAPH_FIELD(name) __typeof__(dm_##name) *name;
    CGRAPH_DEVMAPPER_FUNCTIONS(CGRAPH_FIELD)
#undef CGRAPH_FIELD
};

/// Loads the library, which from then on prints nothing: NULL, or why it cannot be loaded, until this
/// thread's next call of dlopen(3).
const char *cgraph_devmapper_load(struct cgraph_devmapper *functions);

/// What the library said first of a failure on this thread, since it was last forgotten; "" for nothing.
const char *cgraph_devmapper_message(void);
void cgraph_devmapper_forget(void);

/// Names in answers, which lie behind structures whose last member has no size.
static inline const char *cgraph_devmapper_name(const struct dm_names *device) { return device->name; }
static inline const char *cgraph_devmapper_target(const struct dm_versions *target) { return target->name; }

/// Makes a cookie by which udev's rules tell that they are done: a set of semaphores as
/// dm_udev_create_cookie makes it, with one more that says which process made it. 0, or -1 with errno.
int cgraph_devmapper_cookie(uint32_t *cookie);

/// Takes a cookie away that nobody has answered to.
void cgraph_devmapper_remove(uint32_t cookie);

/// Takes away the cookies made by cgraph_devmapper_cookie whose process is dead, or that are older than
/// anybody waits for, in seconds.
void cgraph_devmapper_reclaim(time_t age_max);

#endif
