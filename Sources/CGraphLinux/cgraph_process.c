// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cgraph_process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
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

int cgraph_send_datagram(const char *path, const void *bytes, size_t count) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    ssize_t sent;
    int file, error;
    if (length == 0 || length >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, length);
    // An abstract name begins with a zero.
    if (path[0] == '@') address.sun_path[0] = 0;
    file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (file == -1) return -1;
    length += offsetof(struct sockaddr_un, sun_path);
    sent = sendto(file, bytes, count, MSG_NOSIGNAL, (struct sockaddr *)&address, (socklen_t)length);
    error = errno;
    close(file);
    errno = error;
    return sent == (ssize_t)count ? 0 : -1;
}
