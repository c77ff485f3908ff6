/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of files, mounts and namespaces share: a mount namespace of their own, so that nothing they
 * mount is ever seen outside, and a fresh directory for each test below $LEFT4ME_TEST_DIR (default /var/tmp;
 * it must not lie on an overlayfs). */
#pragma once

#include "daemon/util.h"

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

typedef struct Scratch {
        char *path;
        int fd; /* O_RDONLY|O_DIRECTORY */
} Scratch;

/* A failed system call ends the test with its words. */
#define ok(expression)                                                                                       \
        G_STMT_START                                                                                         \
        {                                                                                                    \
                if ((expression) < 0)                                                                        \
                        g_error("%s:%d: %s: %s", __FILE__, __LINE__, #expression, g_strerror(errno));        \
        }                                                                                                    \
        G_STMT_END

/* Prepares the program; must come before anything starts a thread. Ends it as skipped where it cannot work.
 */
static inline void scratch_init(int *argc, char ***argv)
{
        g_test_init(argc, argv, NULL);
        if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0) {
                g_print("1..0 # SKIP needs root and a mount namespace\n");
                exit(0);
        }
        ok(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
        umask(022);
}

static inline void scratch_set_up(Scratch *scratch, const void *unused)
{
        const char *parent = g_getenv("LEFT4ME_TEST_DIR");

        scratch->path = g_strdup_printf("%s/left4me-test-XXXXXX", parent ?: "/var/tmp");
        g_assert_nonnull(g_mkdtemp_full(scratch->path, 0755));
        ok(scratch->fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)remove(path);
        return 0;
}

static inline void scratch_tear_down(Scratch *scratch, const void *unused)
{
        (void)close(scratch->fd);
        (void)nftw(scratch->path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
        /* What a test left mounted or undeletable is a failure of that test. */
        g_assert_false(g_file_test(scratch->path, G_FILE_TEST_EXISTS));
        g_free(scratch->path);
}

static inline void scratch_add(const char *name, void (*test)(Scratch *, const void *), const void *data)
{
        g_test_add(name, Scratch, data, scratch_set_up, test, scratch_tear_down);
}

static inline int scratch_make_dir(int dir_fd, const char *name, mode_t mode)
{
        int fd;

        ok(mkdirat(dir_fd, name, mode));
        ok(fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        return fd;
}

static inline void scratch_write(int dir_fd, const char *name, const char *text)
{
        _cleanup_close_ int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        ok(fd);
        g_assert_cmpint(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
}

/* Returns: the text of a small file, allocated; NULL when it is not there. */
static inline char *scratch_read(int dir_fd, const char *name)
{
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
        char text[4096];
        ssize_t n;

        if (fd < 0)
                return NULL;
        ok(n = read(fd, text, sizeof(text)));
        return g_strndup(text, (size_t)n);
}

static inline void assert_text(int dir_fd, const char *name, const char *expected)
{
        g_autofree char *text = scratch_read(dir_fd, name);

        g_assert_cmpstr(text, ==, expected);
}
