// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.
//
// untar TAR FOLDER: the least that unpacking costs. Reads a ustar or PAX archive from memory and makes
// its members by open, write, owner, mode, times and close, with one call each and the directory's
// descriptor kept. Checks nothing: a measure, not a tool. Prints the seconds it took.

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

static unsigned long octal(const char *field, int width) {
    unsigned long value = 0;
    for (int i = 0; i < width && field[i] >= '0' && field[i] <= '7'; i++)
        value = value * 8 + (unsigned long)(field[i] - '0');
    return value;
}

static int root, open_dir = -1;
static char open_path[4096];

/// Splits a path, and opens the directory unless it is the one that is open.
static int enter(char *path, char **name) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') path[--length] = 0;
    if (!strncmp(path, "./", 2)) path += 2;
    char *slash = strrchr(path, '/');
    if (!slash) return *name = path, root;
    *slash = 0;
    *name = slash + 1;
    if (open_dir >= 0 && !strcmp(path, open_path)) return open_dir;
    if (open_dir >= 0) close(open_dir);
    strcpy(open_path, path);
    return open_dir = openat(root, path, O_PATH | O_DIRECTORY);
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    int tar = open(arguments[1], O_RDONLY);
    struct stat status;
    if (tar < 0 || fstat(tar, &status)) return 1;
    char *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, tar, 0);
    root = open(arguments[2], O_PATH | O_DIRECTORY);
    if (bytes == MAP_FAILED || root < 0) return 1;
    umask(0);
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    char path[4096], target[4096], *name;
    path[0] = target[0] = 0;
    for (char *at = bytes; at + 512 <= bytes + status.st_size && at[0];) {
        const char *header = at;
        unsigned long size = octal(header + 124, 12), mode = octal(header + 100, 8);
        uid_t uid = (uid_t)octal(header + 108, 8);
        gid_t gid = (gid_t)octal(header + 116, 8);
        struct timespec times[2] = {{(time_t)octal(header + 136, 12), 0}};
        times[1] = times[0];
        char *data = at + 512;
        at = data + (size + 511) / 512 * 512;
        if (header[156] == 'x') {
            for (char *record = data; record < data + size;) {
                char *text = strchr(record, ' ') + 1;
                unsigned long length = strtoul(record, NULL, 10);
                int value = (int)(record + length - 1 - text);
                if (!strncmp(text, "path=", 5)) sprintf(path, "%.*s", value - 5, text + 5);
                if (!strncmp(text, "linkpath=", 9)) sprintf(target, "%.*s", value - 9, text + 9);
                record += length;
            }
            continue;
        }
        if (!path[0])
            snprintf(path, sizeof path, "%.155s%s%.100s", header + 345, header[345] ? "/" : "", header);
        if (!target[0]) sprintf(target, "%.100s", header + 157);
        int in = enter(path, &name), file;
        switch (header[156]) {
        case '0':
        case 0:
            file = openat(in, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
            if (size && write(file, data, size) != (ssize_t)size) return 1;
            fchown(file, uid, gid);
            fchmod(file, mode);
            futimens(file, times);
            close(file);
            break;
        case '1': linkat(root, target, in, name, 0); break;
        case '2':
            symlinkat(target, in, name);
            fchownat(in, name, uid, gid, AT_SYMLINK_NOFOLLOW);
            utimensat(in, name, times, AT_SYMLINK_NOFOLLOW);
            break;
        case '5':
            mkdirat(in, name, 0700);
            fchownat(in, name, uid, gid, 0);
            fchmodat(in, name, mode, 0);
            utimensat(in, name, times, 0);
            break;
        case '3':
        case '4':
            mknodat(in, name, (header[156] == '3' ? S_IFCHR : S_IFBLK) | 0600,
                    makedev(octal(header + 329, 8), octal(header + 337, 8)));
            fchownat(in, name, uid, gid, 0);
            fchmodat(in, name, mode, 0);
            break;
        }
        path[0] = target[0] = 0;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.4f\n", (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
    return 0;
}
