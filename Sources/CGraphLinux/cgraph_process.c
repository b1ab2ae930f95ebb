// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cgraph_process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

int cgraph_terminal_columns(int file) {
    struct winsize size;
    if (ioctl(file, TIOCGWINSZ, &size) == -1) return -1;
    return size.ws_col;
}

int cgraph_get_descriptor_flags(int file) { return fcntl(file, F_GETFD); }

int cgraph_unshare_fs(void) { return unshare(CLONE_FS); }

int cgraph_pipe(int ends[2], int size) {
    if (pipe2(ends, O_CLOEXEC) == -1) return -1;
    // Where there can be no larger one the smaller does.
    (void)fcntl(ends[1], F_SETPIPE_SZ, size);
    return 0;
}
