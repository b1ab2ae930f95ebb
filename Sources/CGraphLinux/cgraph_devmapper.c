// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cgraph_devmapper.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/random.h>
#include <sys/sem.h>
#include <time.h>

// The library's log function is one for the process: each thread keeps what is said of its own calls.
static _Thread_local char message[1024];

__attribute__((format(printf, 5, 6))) static void keep(
    int level, const char *file, int line, int number, const char *format, ...) {
    (void)file, (void)line, (void)number;
    // The lowest bits are those of syslog(3). Errors; of several the first is the kernel's.
    if ((level & 7) > 3 || message[0] != 0) return;
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    errno = error;
}

const char *cgraph_devmapper_message(void) { return message; }
void cgraph_devmapper_forget(void) { message[0] = 0; }

const char *cgraph_devmapper_load(struct cgraph_devmapper *functions) {
    void *library = dlopen("libdevmapper.so.1.02.1", RTLD_NOW);
    if (library == NULL) return dlerror();
#define LOAD(name)                                                             \
    functions->name = (__typeof__(functions->name))dlsym(library, "dm_" #name); \
    if (functions->name == NULL) return dlerror();
    CGRAPH_DEVMAPPER_FUNCTIONS(LOAD)
#undef LOAD
    functions->log_with_errno_init(keep);
    return NULL;
}

// dm_udev_create_cookie's set has one semaphore, which the library counts with. That a process has died
// between making one and waiting for it could not be seen: the last who touched it is often udev. The second
// semaphore is touched by its maker alone, so the kernel keeps the maker's number (GETPID).
enum { COUNT, MAKER, SEMAPHORES };

int cgraph_devmapper_cookie(uint32_t *cookie) {
    for (;;) {
        uint16_t base = 0;
        if (getrandom(&base, sizeof base, 0) == -1) return -1;
        key_t key = DM_COOKIE_MAGIC << 16 | base;
        int set = base == 0 ? -1 : semget(key, SEMAPHORES, IPC_CREAT | IPC_EXCL | 0600);
        if (set == -1) {
            if (base == 0 || errno == EEXIST) continue;
            return -1;
        }
        unsigned short values[SEMAPHORES] = {1, 1};
        if (semctl(set, 0, SETALL, values) == -1) {
            // Taken back by another process, which held this one for dead.
            if (errno == EINVAL || errno == EIDRM) continue;
            int error = errno;
            semctl(set, 0, IPC_RMID);
            errno = error;
            return -1;
        }
        *cookie = (uint32_t)key;
        return 0;
    }
}

void cgraph_devmapper_remove(uint32_t cookie) {
    int set = semget((key_t)cookie, SEMAPHORES, 0);
    if (set != -1) semctl(set, 0, IPC_RMID);
}

void cgraph_devmapper_reclaim(time_t age_max) {
    struct seminfo all;
    int last = semctl(0, 0, SEM_INFO, &all);
    for (int index = 0; index <= last; index++) {
        struct semid_ds set;
        int id = semctl(index, 0, SEM_STAT, &set);
        if (id == -1 || (uint32_t)set.sem_perm.__key >> 16 != DM_COOKIE_MAGIC) continue;
        if (set.sem_nsems != SEMAPHORES) continue;
        time_t age = time(NULL) - set.sem_ctime;
        // 0 for one that lives where its number means nothing here.
        int maker = semctl(id, MAKER, GETPID);
        int is_dead = maker > 0 && kill(maker, 0) == -1 && errno == ESRCH;
        // Between making the set and filling it there are microseconds.
        if (age > 1 && semctl(id, MAKER, GETVAL) == 0) is_dead = 1;
        if (is_dead || age > age_max) semctl(id, 0, IPC_RMID);
    }
}
