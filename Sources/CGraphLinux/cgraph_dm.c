// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cgraph_block.h"

#include <errno.h>
#include <linux/dm-ioctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

const uint32_t CGRAPH_DM_READONLY = DM_READONLY_FLAG;
const uint32_t CGRAPH_DM_SUSPENDED = DM_SUSPEND_FLAG;
const uint32_t CGRAPH_DM_ACTIVE = DM_ACTIVE_PRESENT_FLAG;

// udev reads these flags from the upper half of event_nr (libdevmapper.h, DM_UDEV_*): no links, no
// scanning by its rules for dm, subsystems, disks and others. There is no cookie in the lower half, so
// nobody waits for udev and no semaphore is made.
#define UDEV_FLAGS ((0x0001u | 0x0002u | 0x0004u | 0x0008u) << 16)

// Room behind the header for what goes in or comes out.
#define ROOM (16 * 1024)

// The header of a call, with `room` bytes behind it; the caller frees it.
static struct dm_ioctl *begin(const char *name, size_t room) {
    struct dm_ioctl *call = calloc(1, sizeof *call + room);
    if (call == NULL) return NULL;
    call->version[0] = DM_VERSION_MAJOR;
    call->data_size = sizeof *call + room;
    call->data_start = sizeof *call;
    if (name != NULL) {
        if (strlen(name) >= sizeof call->name) {
            free(call);
            errno = ENAMETOOLONG;
            return NULL;
        }
        strcpy(call->name, name);
    }
    return call;
}

static void tell(const struct dm_ioctl *call, cgraph_dm_info *info) {
    memset(info, 0, sizeof *info);
    info->flags = call->flags;
    info->major = major(call->dev);
    info->minor = minor(call->dev);
    info->open_count = call->open_count;
    strncpy(info->name, call->name, sizeof info->name - 1);
    strncpy(info->uuid, call->uuid, sizeof info->uuid - 1);
}

// Frees without touching errno.
static int end(struct dm_ioctl *call, int result) {
    int error = errno;
    free(call);
    errno = error;
    return result;
}

int cgraph_dm_version(int control, uint32_t version[3]) {
    struct dm_ioctl *call = begin(NULL, 0);
    if (call == NULL) return -1;
    int result = ioctl(control, DM_VERSION, call);
    memcpy(version, call->version, sizeof call->version);
    return end(call, result);
}

int cgraph_dm_has_target(int control, const char *type) {
    struct dm_ioctl *call = begin(NULL, 4 * ROOM);
    if (call == NULL) return -1;
    if (ioctl(control, DM_LIST_VERSIONS, call) == -1) return end(call, -1);
    int found = 0;
    const char *place = (const char *)call + call->data_start;
    if (call->data_size <= call->data_start) return end(call, 0);
    for (;;) {
        const struct dm_target_versions *target = (const void *)place;
        if (strcmp(target->name, type) == 0) found = 1;
        if (target->next == 0) break;
        place += target->next;
    }
    return end(call, found);
}

int cgraph_dm_create(int control, const char *name, const char *uuid, cgraph_dm_info *info) {
    struct dm_ioctl *call = begin(name, 0);
    if (call == NULL) return -1;
    strncpy(call->uuid, uuid, sizeof call->uuid - 1);
    int result = ioctl(control, DM_DEV_CREATE, call);
    if (result != -1) tell(call, info);
    return end(call, result);
}

int cgraph_dm_status(int control, const char *name, uint32_t major, uint32_t minor,
                     cgraph_dm_info *info) {
    struct dm_ioctl *call = begin(name, 0);
    if (call == NULL) return -1;
    if (name == NULL) call->dev = makedev(major, minor);
    int result = ioctl(control, DM_DEV_STATUS, call);
    if (result != -1) tell(call, info);
    return end(call, result);
}

int cgraph_dm_remove(int control, const char *name, int deferred) {
    struct dm_ioctl *call = begin(name, 0);
    if (call == NULL) return -1;
    call->event_nr = UDEV_FLAGS;
    if (deferred) call->flags = DM_DEFERRED_REMOVE;
    return end(call, ioctl(control, DM_DEV_REMOVE, call));
}

int cgraph_dm_load(int control, const char *name, uint64_t sectors, const char *type,
                   const char *parameters, int read_only) {
    struct dm_ioctl *call = begin(name, ROOM);
    if (call == NULL) return -1;
    struct dm_target_spec *target = (void *)((char *)call + call->data_start);
    size_t length = strlen(parameters) + 1;
    if (sizeof *target + length > ROOM || strlen(type) >= sizeof target->target_type) {
        errno = ENAMETOOLONG;
        return end(call, -1);
    }
    if (read_only) call->flags = DM_READONLY_FLAG;
    call->target_count = 1;
    target->length = sectors;
    target->next = (sizeof *target + length + 7) & ~7u;
    strcpy(target->target_type, type);
    memcpy(target + 1, parameters, length);
    return end(call, ioctl(control, DM_TABLE_LOAD, call));
}

static int change(int control, const char *name, uint32_t flags) {
    struct dm_ioctl *call = begin(name, 0);
    if (call == NULL) return -1;
    call->flags = flags;
    call->event_nr = UDEV_FLAGS;
    return end(call, ioctl(control, DM_DEV_SUSPEND, call));
}

int cgraph_dm_suspend(int control, const char *name, int abandoning) {
    uint32_t more = abandoning ? DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG : 0;
    return change(control, name, DM_SUSPEND_FLAG | more);
}

int cgraph_dm_resume(int control, const char *name) { return change(control, name, 0); }

int cgraph_dm_target(int control, const char *name, int is_table, char type[16], uint64_t *sectors,
                     char *text, size_t size) {
    struct dm_ioctl *call = begin(name, ROOM);
    if (call == NULL) return -1;
    if (is_table) call->flags = DM_STATUS_TABLE_FLAG;
    if (ioctl(control, DM_TABLE_STATUS, call) == -1) return end(call, -1);
    if (call->target_count == 0) {
        errno = ENODATA;
        return end(call, -1);
    }
    const struct dm_target_spec *target = (const void *)((const char *)call + call->data_start);
    const char *words = (const char *)(target + 1);
    if (call->flags & DM_BUFFER_FULL_FLAG || strlen(words) >= size) {
        errno = EOVERFLOW;
        return end(call, -1);
    }
    memcpy(type, target->target_type, sizeof target->target_type);
    *sectors = target->length;
    strcpy(text, words);
    return end(call, 0);
}

int cgraph_dm_message(int control, const char *name, const char *message) {
    struct dm_ioctl *call = begin(name, ROOM);
    if (call == NULL) return -1;
    struct dm_target_msg *target = (void *)((char *)call + call->data_start);
    if (sizeof *target + strlen(message) + 1 > ROOM) {
        errno = ENAMETOOLONG;
        return end(call, -1);
    }
    strcpy(target->message, message);
    return end(call, ioctl(control, DM_TARGET_MSG, call));
}

int cgraph_dm_list(int control, char **names, size_t *size) {
    struct dm_ioctl *call = NULL;
    size_t room = ROOM;
    for (;;) {
        call = begin(NULL, room);
        if (call == NULL) return -1;
        if (ioctl(control, DM_LIST_DEVICES, call) == -1) return end(call, -1);
        if (!(call->flags & DM_BUFFER_FULL_FLAG)) break;
        room *= 2;
        free(call);
    }
    *names = calloc(1, room);
    *size = 0;
    if (*names == NULL) return end(call, -1);
    const char *place = (const char *)call + call->data_start;
    if (call->data_size <= call->data_start) return end(call, 0);
    for (;;) {
        const struct dm_name_list *device = (const void *)place;
        if (device->dev != 0) {
            strcpy(*names + *size, device->name);
            *size += strlen(device->name) + 1;
        }
        if (device->next == 0) break;
        place += device->next;
    }
    return end(call, 0);
}
