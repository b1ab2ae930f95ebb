// SPDX-License-Identifier: Apache-2.0
// The process and its terminal: variadic calls.
#ifndef CGRAPH_PROCESS_H
#define CGRAPH_PROCESS_H

#include <stddef.h>

/// TIOCGWINSZ: the columns of a terminal, 0 when it does not know, -1 when it is none.
int cgraph_terminal_columns(int file);

/// F_GETFD: -1 when the descriptor is not open.
int cgraph_get_descriptor_flags(int file);

/// unshare(CLONE_FS): this thread has a umask and a working directory of its own.
int cgraph_unshare_fs(void);

/// pipe2(O_CLOEXEC) and F_SETPIPE_SZ: the end to read from, and the one to write to; holding `size`
/// bytes where that is allowed.
int cgraph_pipe(int ends[2], int size);

/// sendto(2) to a unix socket of datagrams; a path that begins with `@` is an abstract name.
int cgraph_send_datagram(const char *path, const void *bytes, size_t count);

#endif
