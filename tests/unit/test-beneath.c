/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/beneath.h"
#include "scratch.h"

#include <sys/sysmacros.h>

static void assert_owner_mode(int fd, uid_t uid, gid_t gid, mode_t mode)
{
        struct stat st;

        ok(fstat(fd, &st));
        g_assert_cmpuint(st.st_uid, ==, uid);
        g_assert_cmpuint(st.st_gid, ==, gid);
        g_assert_cmphex(st.st_mode & 07777, ==, mode);
}

static void test_component(void)
{
        g_assert_true(beneath_is_component("a"));
        g_assert_true(beneath_is_component("..."));
        g_assert_false(beneath_is_component(""));
        g_assert_false(beneath_is_component("."));
        g_assert_false(beneath_is_component(".."));
        g_assert_false(beneath_is_component("a/b"));
        g_assert_false(beneath_is_component("/"));
}

static void test_open_stays_beneath(Scratch *s, const void *unused)
{
        _cleanup_close_ int dir = scratch_make_dir(s->fd, "a", 0755);
        _cleanup_close_ int inner = scratch_make_dir(dir, "b", 0755);
        _cleanup_close_ int fd = -1;

        scratch_write(inner, "file", "text");
        scratch_write(s->fd, "outside", "secret");
        ok(symlinkat("b", dir, "inward"));
        ok(symlinkat("..", dir, "outward"));
        ok(symlinkat("/etc", dir, "absolute"));

        fd = beneath_open(dir, "b/file", O_RDONLY, 0);
        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
        g_assert_cmpint(beneath_open(dir, "b/../../outside", O_RDONLY, 0), ==, -EXDEV);
        g_assert_cmpint(beneath_open(dir, "..", O_PATH, 0), ==, -EXDEV);
        g_assert_cmpint(beneath_open(dir, "/etc", O_PATH, 0), ==, -EXDEV);
        g_assert_cmpint(beneath_open(dir, "inward/file", O_RDONLY, 0), ==, -ELOOP);
        g_assert_cmpint(beneath_open(dir, "outward/outside", O_RDONLY, 0), ==, -ELOOP);
        g_assert_cmpint(beneath_open(dir, "absolute", O_PATH, 0), ==, -ELOOP);
        g_assert_cmpint(beneath_open(dir, "absolute", O_PATH | O_NOFOLLOW, 0), ==, -ELOOP);
        g_assert_cmpint(beneath_open(dir, "none", O_RDONLY, 0600), ==, -ENOENT);
}

static void test_open_creates(Scratch *s, const void *unused)
{
        _cleanup_close_ int fd = beneath_open(s->fd, "new", O_WRONLY | O_CREAT | O_EXCL, 0640);

        g_assert_cmpint(fd, >=, 0);
        assert_owner_mode(fd, 0, 0, 0640);
}

static void test_make_dir(Scratch *s, const void *unused)
{
        int fd = beneath_make_dir(s->fd, "dir", 1234, 1235, 0710);

        g_assert_cmpint(fd, >=, 0);
        assert_owner_mode(fd, 1234, 1235, 0710);
        scratch_write(fd, "kept", "text");
        (void)close(fd);

        fd = beneath_make_dir(s->fd, "dir", 0, 0, 0700);
        g_assert_cmpint(fd, >=, 0);
        assert_owner_mode(fd, 0, 0, 0700);
        assert_text(fd, "kept", "text");
        (void)close(fd);
}

static void test_make_dir_refuses(Scratch *s, const void *unused)
{
        _cleanup_close_ int dir = scratch_make_dir(s->fd, "dir", 0755);

        ok(symlinkat("dir", s->fd, "link"));
        ok(symlinkat("nowhere", s->fd, "dangling"));
        scratch_write(s->fd, "file", "");
        g_assert_cmpint(beneath_make_dir(s->fd, "link", 1, 1, 0700), ==, -ELOOP);
        g_assert_cmpint(beneath_make_dir(s->fd, "dangling", 1, 1, 0700), ==, -ELOOP);
        g_assert_cmpint(beneath_make_dir(s->fd, "file", 1, 1, 0700), ==, -ENOTDIR);
        g_assert_cmpint(beneath_make_dir(s->fd, "dir/sub", 1, 1, 0700), ==, -EINVAL);
        g_assert_cmpint(beneath_make_dir(s->fd, "..", 1, 1, 0700), ==, -EINVAL);
        assert_owner_mode(dir, 0, 0, 0755);
}

static void test_write_file(Scratch *s, const void *unused)
{
        _cleanup_close_ int fd = -1, parent = -1;

        g_assert_cmpint(beneath_write_file(s->fd, "file", "first text", 10, 1234, 1235, 0640), ==, 0);
        assert_text(s->fd, "file", "first text");
        /* A link in its place is replaced, not followed, and O_PATH is enough. */
        scratch_write(s->fd, "victim", "victim");
        ok(unlinkat(s->fd, "file", 0));
        ok(symlinkat("victim", s->fd, "file"));
        ok(symlinkat("victim", s->fd, ".file.new"));
        ok(parent = open(s->path, O_PATH | O_DIRECTORY | O_CLOEXEC));
        g_assert_cmpint(beneath_write_file(parent, "file", "second", 6, 1234, 1235, 0640), ==, 0);
        assert_text(s->fd, "file", "second");
        assert_text(s->fd, "victim", "victim");
        ok(fd = openat(s->fd, "file", O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        assert_owner_mode(fd, 1234, 1235, 0640);
        g_assert_cmpint(faccessat(s->fd, ".file.new", F_OK, AT_SYMLINK_NOFOLLOW), <, 0);
}

static void test_write_file_failure_keeps_old(Scratch *s, const void *unused)
{
        ok(mkdirat(s->fd, "file", 0755));

        g_assert_cmpint(beneath_write_file(s->fd, "file", "x", 1, 0, 0, 0600), ==, -EISDIR);
        g_assert_cmpint(faccessat(s->fd, ".file.new", F_OK, AT_SYMLINK_NOFOLLOW), <, 0);
        g_assert_cmpint(beneath_write_file(s->fd, "a/b", "x", 1, 0, 0, 0600), ==, -EINVAL);
}

static void test_remove(Scratch *s, const void *unused)
{
        _cleanup_close_ int dir = scratch_make_dir(s->fd, "dir", 0755);
        _cleanup_close_ int sub = scratch_make_dir(dir, "sub", 0000);

        scratch_write(s->fd, "victim", "victim");
        scratch_write(sub, "file", "");
        ok(symlinkat("../../victim", sub, "link"));
        ok(mknodat(sub, "whiteout", S_IFCHR, makedev(0, 0)));

        g_assert_cmpint(beneath_remove(s->fd, "dir", 1), ==, -ENOTEMPTY);
        g_assert_cmpint(beneath_remove(s->fd, "dir", 2), ==, 0);
        g_assert_cmpint(faccessat(s->fd, "dir", F_OK, AT_SYMLINK_NOFOLLOW), <, 0);
        g_assert_cmpint(beneath_remove(s->fd, "dir", 2), ==, 0);
        g_assert_cmpint(beneath_remove(s->fd, "..", 2), ==, -EINVAL);
        assert_text(s->fd, "victim", "victim");
}

static void test_remove_leaves_mounts(Scratch *s, const void *unused)
{
        _cleanup_close_ int dir = scratch_make_dir(s->fd, "dir", 0755);
        int mounted = scratch_make_dir(dir, "mounted", 0755);
        g_autofree char *path = g_strdup_printf("%s/dir/mounted", s->path);

        (void)close(mounted);
        ok(mount("test", path, "tmpfs", 0, NULL));
        ok(mounted = openat(dir, "mounted", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        scratch_write(mounted, "file", "text");
        g_assert_cmpint(beneath_remove(s->fd, "dir", 9), ==, -EBUSY);
        assert_text(mounted, "file", "text");
        (void)close(mounted);
        ok(umount(path));
        g_assert_cmpint(beneath_remove(s->fd, "dir", 1), ==, 0);
}

int main(int argc, char **argv)
{
        scratch_init(&argc, &argv);
        g_test_add_func("/beneath/component", test_component);
        scratch_add("/beneath/open/stays-beneath", test_open_stays_beneath, NULL);
        scratch_add("/beneath/open/creates", test_open_creates, NULL);
        scratch_add("/beneath/make-dir/makes-and-keeps", test_make_dir, NULL);
        scratch_add("/beneath/make-dir/refuses", test_make_dir_refuses, NULL);
        scratch_add("/beneath/write-file/replaces", test_write_file, NULL);
        scratch_add("/beneath/write-file/failure-keeps-old", test_write_file_failure_keeps_old, NULL);
        scratch_add("/beneath/remove/known-depth", test_remove, NULL);
        scratch_add("/beneath/remove/leaves-mounts", test_remove_leaves_mounts, NULL);
        return g_test_run();
}
