// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.
#define _GNU_SOURCE
#include "cmeasure.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

const int cmeasure_o_direct = O_DIRECT;
static volatile sig_atomic_t interrupted = 0;

uint64_t cmeasure_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int cmeasure_open(const char *path, int flags, unsigned mode) {
    return open(path, flags | O_CLOEXEC, mode);
}

int cmeasure_clone(int target, int source) { return ioctl(target, FICLONE, source); }

long cmeasure_copy_range(int source, int target, size_t count) {
    return copy_file_range(source, NULL, target, NULL, count, 0);
}

int cmeasure_sync_filesystem(int descriptor) { return syncfs(descriptor); }

int cmeasure_private_mounts(void) {
    if (unshare(CLONE_NEWNS) == -1) return -1;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static void remember(int number) { interrupted = number; }

void cmeasure_catch_interrupts(void) {
    struct sigaction action = {.sa_handler = remember, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int cmeasure_interrupted(void) { return interrupted; }

int cmeasure_setxattr(const char *path, const char *name, const char *value, size_t size) {
    return setxattr(path, name, value, size, 0);
}

void cmeasure_end_with_parent(void) { prctl(PR_SET_PDEATHSIG, SIGKILL); }

int cmeasure_start_daemon(const char *program, const char *settings, const char *log) {
    pid_t parent = getpid(), child = fork();
    if (child != 0) return child;
    // From here on only calls that are safe between fork and exec.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    int output = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(output, 1);
    dup2(output, 2);
    execl(program, program, "--config", settings, (char *)NULL);
    _exit(127);
}
