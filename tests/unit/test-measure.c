/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Measures trees, also while somebody changes them. */
#include "daemon/tree/measure.h"
#include "scratch.h"

#include <sys/resource.h>

#define KIB 1024

static bool goes_on(void *unused)
{
        return true;
}

static TreeSize measure(Scratch *s, uint64_t bytes, uint64_t names, int expected)
{
        TreeBound bound = {.path = s->path, .bytes = bytes, .names = names};
        TreeSize size = {};

        g_assert_cmpint(tree_measure(&bound, goes_on, NULL, &size), ==, expected);
        return size;
}

static void fill(int dir_fd, const char *name, size_t size)
{
        g_autofree char *text = g_strnfill(size, 'x');

        scratch_write(dir_fd, name, text);
}

static uint64_t space_of(int dir_fd, const char *name)
{
        struct stat st;

        ok(fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH));
        return (uint64_t)st.st_blocks * 512;
}

static void test_counts_what_du_counts(Scratch *s, const void *unused)
{
        _cleanup_close_ int a = scratch_make_dir(s->fd, "a", 0755), b = scratch_make_dir(a, "b", 0755);
        uint64_t expected;
        TreeSize size;

        fill(a, "file", 100 * KIB);
        fill(b, "hidden", 40 * KIB);
        ok(linkat(a, "file", b, "again", 0));
        ok(symlinkat("/", s->fd, "root"));
        ok(symlinkat("b", a, "to-b"));
        expected = space_of(s->fd, "") + space_of(s->fd, "a") + space_of(a, "b") + space_of(a, "file") +
                   space_of(b, "hidden") + space_of(s->fd, "root") + space_of(a, "to-b");
        size = measure(s, G_MAXUINT64, G_MAXUINT64, 0);
        g_assert_cmpuint(size.bytes, ==, expected);
        g_assert_cmpuint(size.names, ==, 7);
        (void)measure(s, expected, 7, 0);
        g_assert_cmpuint(measure(s, expected - 1, 7, 1).bytes, >, expected - 1);
        g_assert_cmpuint(measure(s, expected, 6, 1).names, ==, 7);
}

static void fill_with_files(int dir_fd, int number)
{
        for (int n = 0; n < number; n++) {
                g_autofree char *name = g_strdup_printf("%d", n);

                scratch_write(dir_fd, name, "");
        }
}

static void test_ends_early(Scratch *s, const void *unused)
{
        fill_with_files(s->fd, 1000);
        g_assert_cmpuint(measure(s, G_MAXUINT64, 10, 1).names, ==, 11);
}

static bool goes_on_for_five(void *userdata)
{
        return ++*(int *)userdata <= 5;
}

static void test_is_asked_all_the_time(Scratch *s, const void *unused)
{
        TreeBound bound = {.path = s->path, .bytes = G_MAXUINT64, .names = G_MAXUINT64};
        TreeSize size;
        int asked = 0;

        fill_with_files(s->fd, 100);
        g_assert_cmpint(tree_measure(&bound, goes_on_for_five, &asked, &size), ==, 0);
        g_assert_cmpuint(size.names, ==, 5);
        g_assert_cmpint(asked, ==, 6);
}

/* Deeper than a path can be long. */
static void test_deep(Scratch *s, const void *unused)
{
        int fd = dup(s->fd);
        struct rlimit limit;

        ok(getrlimit(RLIMIT_NOFILE, &limit));
        for (int n = 0; n < 500; n++) {
                int next = scratch_make_dir(fd, "0123456789", 0755);

                ok(close(fd));
                fd = next;
        }
        fill(fd, "bottom", KIB);
        ok(close(fd));
        g_assert_cmpuint(measure(s, G_MAXUINT64, G_MAXUINT64, 0).names, ==, 501);
        /* Each level takes a descriptor. */
        ok(setrlimit(RLIMIT_NOFILE, &(struct rlimit){400, limit.rlim_max}));
        (void)measure(s, G_MAXUINT64, G_MAXUINT64, -EMFILE);
        ok(setrlimit(RLIMIT_NOFILE, &limit));
        /* Scratch directories are removed by path. */
        for (int n = 0; n < 500; n++) {
                ok(renameat(s->fd, "0123456789", s->fd, "old"));
                if (faccessat(s->fd, "old/0123456789", F_OK, 0) == 0)
                        ok(renameat(s->fd, "old/0123456789", s->fd, "0123456789"));
                (void)unlinkat(s->fd, "old/bottom", 0);
                ok(unlinkat(s->fd, "old", AT_REMOVEDIR));
        }
}

static gpointer shuffle(gpointer data)
{
        const Scratch *s = data;

        for (int n = 0; n < 3000; n++) {
                (void)mkdirat(s->fd, "comes", 0755);
                (void)symlinkat("/etc", s->fd, "comes/link");
                (void)renameat(s->fd, "comes", s->fd, "moved");
                (void)renameat(s->fd, "stays/inner", s->fd, "moved/inner");
                (void)renameat(s->fd, "moved/inner", s->fd, "stays/inner");
                (void)unlinkat(s->fd, "moved/link", 0);
                (void)unlinkat(s->fd, "moved", AT_REMOVEDIR);
                (void)symlinkat("/etc", s->fd, "comes");
                (void)unlinkat(s->fd, "comes", 0);
        }
        return NULL;
}

/* Neither an error nor a way out of the tree, whatever is moved, replaced by a link or deleted. */
static void test_a_tree_that_changes(Scratch *s, const void *unused)
{
        _cleanup_close_ int stays = scratch_make_dir(s->fd, "stays", 0755);
        _cleanup_close_ int inner = scratch_make_dir(stays, "inner", 0755);
        GThread *thread = g_thread_new("shuffle", shuffle, s);

        scratch_write(inner, "file", "text");
        for (int n = 0; n < 1000; n++)
                g_assert_cmpuint(measure(s, G_MAXUINT64, G_MAXUINT64, 0).names, <, 20);
        g_thread_join(thread);
        g_assert_cmpuint(measure(s, G_MAXUINT64, G_MAXUINT64, 0).names, ==, 3);
}

int main(int argc, char **argv)
{
        scratch_init(&argc, &argv);
        scratch_add("/measure/counts-what-du-counts", test_counts_what_du_counts, NULL);
        scratch_add("/measure/ends-early", test_ends_early, NULL);
        scratch_add("/measure/is-asked-all-the-time", test_is_asked_all_the_time, NULL);
        scratch_add("/measure/deep", test_deep, NULL);
        scratch_add("/measure/a-tree-that-changes", test_a_tree_that_changes, NULL);
        return g_test_run();
}
