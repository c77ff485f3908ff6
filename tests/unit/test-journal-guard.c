/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/journal-guard.h"
#include "scratch.h"
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define SIZE (64 * 1024)

/* Returns: the bytes of a file that has this name, and is emptied after they were mapped. */
static const volatile char *map_and_empty(const char *name)
{
        g_autofree char *directory = g_dir_make_tmp("test-guard-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_autofree char *bytes = g_strnfill(SIZE, 'x');
        char *mapped;
        int fd;

        g_assert_true(g_file_set_contents(path, bytes, SIZE, NULL));
        fd = open(path, O_RDWR | O_CLOEXEC);
        mapped = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
        g_assert_true(mapped != MAP_FAILED);
        g_assert_cmpint(mapped[SIZE - 1], ==, 'x');
        g_assert_cmpint(unlink(path), ==, 0);
        g_assert_cmpint(ftruncate(fd, 0), ==, 0);
        g_assert_cmpint(rmdir(directory), ==, 0);
        close(fd);
        return mapped;
}

static void test_journal(void)
{
        journal_guard_install();
        for (unsigned n = 0; n < 3; n++) {
                const volatile char *gone = map_and_empty("system@1234.journal");

                errno = 7;
                for (size_t i = 0; i < SIZE; i += 512)
                        g_assert_cmpint(gone[i], ==, 0);
                g_assert_cmpint(errno, ==, 7);
        }
}

static void test_anything_else(void)
{
        if (g_test_subprocess()) {
                (void)setrlimit(RLIMIT_CORE, &(struct rlimit){});
                journal_guard_install();
                (void)map_and_empty("host.db-shm")[SIZE / 2];
                return;
        }
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_failed();
}

int main(int argc, char *argv[])
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/journal-guard/journal", test_journal);
        g_test_add_func("/journal-guard/anything-else", test_anything_else);
        return g_test_run();
}
