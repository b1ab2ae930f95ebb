// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.
//
// What Swift's Glibc module hides (GNU-only names and variadic calls), and what must cost as little
// as possible because it stands between two readings of the clock.
#ifndef CMEASURE_H
#define CMEASURE_H

#include <stddef.h>
#include <stdint.h>

// Nanoseconds of the monotonic clock.
uint64_t cmeasure_now(void);

// All return -1 with errno, or what the call returns.
int cmeasure_open(const char *path, int flags, unsigned mode);
int cmeasure_clone(int target, int source);                       // ioctl(FICLONE)
long cmeasure_copy_range(int source, int target, size_t count);   // copy_file_range(2), both at their offsets
int cmeasure_setxattr(const char *path, const char *name, const char *value, size_t size);
int cmeasure_sync_filesystem(int descriptor);                     // syncfs(2)
int cmeasure_private_mounts(void);                                // unshare(CLONE_NEWNS), all mounts private
void cmeasure_end_with_parent(void);                              // prctl(PR_SET_PDEATHSIG, SIGKILL)

// Starts `program --config settings`, which ends with this process; returns its id.
int cmeasure_start_daemon(const char *program, const char *settings, const char *log);

// SIGINT and SIGTERM are remembered once; the second ends the process as ever.
void cmeasure_catch_interrupts(void);
int cmeasure_interrupted(void);

extern const int cmeasure_o_direct;

#endif
