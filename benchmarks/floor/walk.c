// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The graphctl authors
//
// walk DIRECTORY...: the least that looking at every name of some trees costs. Lists each directory
// and asks statx(2) about each name, in one thread, and prints entries and milliseconds.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

static long entries;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

// Closes `directory`.
static void walk(int directory) {
    char buffer[32768];
    long count;
    while ((count = syscall(SYS_getdents64, directory, buffer, sizeof buffer)) > 0) {
        for (long at = 0; at < count;) {
            struct entry *entry = (struct entry *)(buffer + at);
            at += entry->length;
            if (!strcmp(entry->name, ".") || !strcmp(entry->name, "..")) continue;
            struct statx status;
            if (statx(directory, entry->name, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC,
                      STATX_BASIC_STATS, &status) == -1)
                fail(entry->name);
            entries++;
            if (!S_ISDIR(status.stx_mode)) continue;
            int below = openat(directory, entry->name, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (below == -1) fail(entry->name);
            walk(below);
        }
    }
    if (count == -1) fail("getdents64");
    close(directory);
}

int main(int count, char **arguments) {
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int index = 1; index < count; index++) {
        int root = open(arguments[index], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root == -1) fail(arguments[index]);
        walk(root);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%ld entries, %.3f ms\n", entries,
           (end.tv_sec - start.tv_sec) * 1e3 + (end.tv_nsec - start.tv_nsec) / 1e6);
    return 0;
}
