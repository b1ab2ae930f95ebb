// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The graphctl authors
//
// life DIRECTORY ROUNDS DEPTH: the calls that a container's layer cannot do without, and nothing else: the floor for
// LayerLife with driver overlay. A record in a SQLite database is committed and synced once to create a layer and once
// to remove it. Prints a line for each step: the median, the least and the most of the microseconds.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FLAG_STRING = 1, CMD_CREATE = 6, FROM_EMPTY_PATH = 4 };
static char base[4000];
static sqlite3 *database;

static void check(int good, const char *what) {
    if (good) return;
    fprintf(stderr, "life: %s: %s\n", what, strerror(errno));
    exit(1);
}

static char *path(const char *format, int number) {
    static char texts[4][4200];
    static int next;
    char *text = texts[next++ % 4], rest[100];
    snprintf(rest, sizeof rest, format, number);
    snprintf(text, sizeof texts[0], "%s/%s", base, rest);
    return text;
}

static void run(const char *sql, int number) {
    char text[200];
    snprintf(text, sizeof text, sql, number);
    check(sqlite3_exec(database, text, NULL, NULL, NULL) == SQLITE_OK, text);
}

static void make(int number, int is_lower) {
    check(!mkdir(path("%d", number), 0700) && !mkdir(path("%d/diff", number), 0755), "mkdir");
    if (!is_lower) check(!mkdir(path("%d/work", number), 0700), "mkdir");
    run("INSERT INTO layers VALUES (%d, 'active')", number);
}

static void look(int number) {
    static sqlite3_stmt *statement;
    if (!statement)
        check(sqlite3_prepare_v2(database, "SELECT kind FROM layers WHERE number = ?", -1, &statement, NULL) == SQLITE_OK,
            "sqlite3_prepare");
    sqlite3_bind_int(statement, 1, number);
    check(sqlite3_step(statement) == SQLITE_ROW, "SELECT");
    sqlite3_reset(statement);
}

static void show(int number, int depth) {
    check(!mkdir(path("mnt-%d", number), 0755), "mkdir");
    int context = syscall(SYS_fsopen, "overlay", 1), tree;
    check(context >= 0, "fsopen");
    for (int lower = depth; lower >= 1; lower--)
        check(!syscall(SYS_fsconfig, context, FLAG_STRING, "lowerdir+", path("%d/diff", lower), 0), "lowerdir+");
    check(!syscall(SYS_fsconfig, context, FLAG_STRING, "upperdir", path("%d/diff", number), 0), "upperdir");
    check(!syscall(SYS_fsconfig, context, FLAG_STRING, "workdir", path("%d/work", number), 0), "workdir");
    check(!syscall(SYS_fsconfig, context, CMD_CREATE, NULL, NULL, 0), "create");
    check((tree = syscall(SYS_fsmount, context, 1, 0)) >= 0, "fsmount");
    check(!syscall(SYS_move_mount, tree, "", AT_FDCWD, path("mnt-%d", number), FROM_EMPTY_PATH), "move_mount");
    close(tree);
    close(context);
}

static void hide(int number) {
    check(!umount2(path("mnt-%d", number), 0) && !rmdir(path("mnt-%d", number)), "umount2");
}

static void forget(int number) {
    run("DELETE FROM layers WHERE number = %d", number);
    check(!rename(path("%d", number), path("trash/%d", number)), "rename");
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

int main(int count, char **words) {
    check(count == 4, "usage: life DIRECTORY ROUNDS DEPTH");
    snprintf(base, sizeof base, "%s", words[1]);
    int rounds = atoi(words[2]), depth = atoi(words[3]);
    check(!mkdir(base, 0700) && !mkdir(path("trash", 0), 0700), "mkdir");
    check(sqlite3_open(path("life.db", 0), &database) == SQLITE_OK, "sqlite3_open");
    run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "CREATE TABLE layers (number INTEGER PRIMARY KEY, kind TEXT)", 0);
    for (int lower = 1; lower <= depth; lower++) make(lower, 1);
    static const char *names[] = {"create", "mount", "unmount", "get", "remove"};
    double *times[5];
    for (int step = 0; step < 5; step++) times[step] = calloc(rounds, sizeof(double));
    for (int round = -3; round < rounds; round++) {
        int number = 1000 + round;
        for (int step = 0; step < 5; step++) {
            double start = now();
            if (step == 0) make(number, 0);
            if (step == 1) show(number, depth);
            if (step == 2) hide(number);
            if (step == 3) look(number);
            if (step == 4) forget(number);
            if (round >= 0) times[step][round] = now() - start;
            if (step != 1) continue;
            int file = open(path("mnt-%d/written", number), O_WRONLY | O_CREAT, 0600);
            check(file >= 0 && write(file, "written\n", 8) == 8, "write");
            close(file);
        }
    }
    for (int step = 0; step < 5; step++) {
        qsort(times[step], rounds, sizeof(double), by_size);
        printf("%s %.1f %.1f %.1f\n", names[step], times[step][rounds / 2], times[step][0], times[step][rounds - 1]);
    }
}
