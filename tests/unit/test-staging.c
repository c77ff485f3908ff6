/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/staging.h"
#include "scratch.h"

#include <grp.h>
#include <sys/wait.h>

#define ON_DISK 54321
#define SLOT    54322

static const IdPair pair = {.on_disk = ON_DISK, .seen = SLOT};

/* The tree that the daemon owns, and /run/left4me/staging in the place of a scratch directory with one job.
 */
typedef struct Staged {
        int tree;
        int job;
        int userns;
} Staged;

static void staged_make(Staged *staged, Scratch *s)
{
        staged->tree = scratch_make_dir(s->fd, "tree", 0755);
        ok(fchown(staged->tree, ON_DISK, ON_DISK));
        staged->job = scratch_make_dir(s->fd, "7", 0755);
        staged->userns = staging_userns_new(&pair, 1);
        g_assert_cmpint(staged->userns, >=, 0);
}

static void staged_close(Staged *staged)
{
        close_fd(&staged->tree);
        close_fd(&staged->job);
        close_fd(&staged->userns);
}

static void staged_attach(Staged *staged, const char *name, bool read_only)
{
        g_autofree char *message = NULL;
        int r = staging_attach(staged->job, name, staged->tree, staged->userns, read_only, &message);

        g_assert_cmpstr(message, ==, NULL);
        g_assert_cmpint(r, ==, 0);
}

static void assert_owner(int dir_fd, const char *name, uid_t id)
{
        struct stat st;

        ok(fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW));
        g_assert_cmpuint(st.st_uid, ==, id);
        g_assert_cmpuint(st.st_gid, ==, id);
}

/* Runs `work` as the slot in a child. Returns: what it returned, 0 or an errno. */
static int as_slot(int (*work)(int dir_fd), int dir_fd)
{
        int status;
        pid_t pid = fork();

        ok(pid);
        if (pid == 0) {
                if (setgroups(0, NULL) < 0 || setresgid(SLOT, SLOT, SLOT) < 0 ||
                        setresuid(SLOT, SLOT, SLOT) < 0)
                        _exit(255);
                _exit(work(dir_fd));
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        g_assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static int write_new(int dir_fd)
{
        int fd = openat(dir_fd, "new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

        return fd < 0 || mkdirat(dir_fd, "dir", 0700) < 0 ? errno : 0;
}

static int read_private(int dir_fd)
{
        return openat(dir_fd, "private", O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
}

static int delete_roots(int dir_fd)
{
        return unlinkat(dir_fd, "roots", 0) < 0 ? errno : 0;
}

static void test_written_files_have_disk_ids(Scratch *s, const void *unused)
{
        Staged staged;
        int seen;

        staged_make(&staged, s);
        staged_attach(&staged, "overlay", false);
        ok(seen = openat(staged.job, "overlay", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        assert_owner(seen, ".", SLOT);
        g_assert_cmpint(as_slot(write_new, seen), ==, 0);
        assert_owner(seen, "new", SLOT);
        assert_owner(staged.tree, "new", ON_DISK);
        assert_owner(staged.tree, "dir", ON_DISK);
        (void)close(seen);
        staged_close(&staged);
        g_assert_cmpint(staging_remove(s->fd, "7"), ==, 0);
}

static void test_read_only(Scratch *s, const void *unused)
{
        Staged staged;
        int seen;

        staged_make(&staged, s);
        scratch_write(staged.tree, "private", "text");
        ok(fchownat(staged.tree, "private", ON_DISK, ON_DISK, 0));
        ok(fchmodat(staged.tree, "private", 0600, 0));
        staged_attach(&staged, "previous", true);
        ok(seen = openat(staged.job, "previous", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        g_assert_cmpint(as_slot(read_private, seen), ==, 0);
        g_assert_cmpint(as_slot(write_new, seen), ==, EROFS);
        g_assert_cmpint(write_new(seen), ==, EROFS);
        (void)close(seen);
        staged_close(&staged);
        g_assert_cmpint(staging_remove(s->fd, "7"), ==, 0);
        /* The mount's flag alone, not the filesystem's. */
        assert_text(s->fd, "tree/private", "text");
        scratch_write(s->fd, "tree/new", "");
}

/* Whiteouts in an upper are root's: without a pair for root the slot could not delete them. */
static void test_third_owner(Scratch *s, const void *unused)
{
        static const IdPair pairs[] = {{.on_disk = ON_DISK, .seen = SLOT}, {.on_disk = 0, .seen = 65534}};
        _cleanup_close_ int with_root = staging_userns_new(pairs, G_N_ELEMENTS(pairs));
        Staged staged;
        int seen;

        g_assert_cmpint(with_root, >=, 0);
        staged_make(&staged, s);
        scratch_write(staged.tree, "roots", "");
        staged_attach(&staged, "without", false);
        g_assert_cmpint(staging_attach(staged.job, "with", staged.tree, with_root, false, NULL), ==, 0);

        ok(seen = openat(staged.job, "without", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        g_assert_cmpint(as_slot(delete_roots, seen), ==, EOVERFLOW);
        (void)close(seen);
        ok(seen = openat(staged.job, "with", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        g_assert_cmpint(as_slot(delete_roots, seen), ==, 0);
        (void)close(seen);
        staged_close(&staged);
        g_assert_cmpint(staging_remove(s->fd, "7"), ==, 0);
}

static void test_attach_refuses(Scratch *s, const void *unused)
{
        Staged staged;
        g_autofree char *twice = NULL, *path = NULL, *nothing = NULL;

        staged_make(&staged, s);
        staged_attach(&staged, "overlay", false);
        g_assert_cmpint(staging_attach(staged.job, "overlay", staged.tree, staged.userns, false, &twice), ==,
                -EEXIST);
        g_assert_nonnull(strstr(twice, "\"overlay\""));
        g_assert_cmpint(
                staging_attach(staged.job, "../x", staged.tree, staged.userns, false, &path), ==, -EINVAL);
        g_assert_cmpint(
                staging_attach(staged.job, "bad", staged.tree, staged.tree, false, &nothing), ==, -EINVAL);
        g_assert_nonnull(strstr(nothing, "\"bad\""));
        g_assert_cmpint(faccessat(staged.job, "bad", F_OK, 0), <, 0);
        staged_close(&staged);
        g_assert_cmpint(staging_remove(s->fd, "7"), ==, 0);
}

static void test_remove(Scratch *s, const void *unused)
{
        Staged staged;

        staged_make(&staged, s);
        scratch_write(staged.tree, "kept", "text");
        staged_attach(&staged, "overlay", false);
        staged_attach(&staged, "previous", true);
        ok(mkdirat(staged.job, "empty", 0700));
        scratch_write(staged.job, "script", "#!/bin/bash\n");
        ok(symlinkat("../tree", staged.job, "link"));

        /* Somebody is in there: the rest goes, the tree stays, and a later try ends it. */
        {
                _cleanup_close_ int held = openat(staged.job, "overlay", O_PATH | O_CLOEXEC);
                ok(held);
                g_assert_cmpint(staging_remove(s->fd, "7"), ==, -EBUSY);
        }
        assert_text(s->fd, "7/overlay/kept", "text");
        g_assert_cmpint(faccessat(staged.job, "script", F_OK, 0), <, 0);
        staged_close(&staged);

        g_assert_cmpint(staging_remove(s->fd, "7"), ==, 0);
        g_assert_cmpint(faccessat(s->fd, "7", F_OK, 0), <, 0);
        g_assert_cmpint(staging_remove(s->fd, "7"), ==, 0);
        g_assert_cmpint(staging_remove(s->fd, "../7"), ==, -EINVAL);
        assert_text(s->fd, "tree/kept", "text");
}

static void test_remove_never_deletes_a_tree(Scratch *s, const void *unused)
{
        _cleanup_close_ int job = scratch_make_dir(s->fd, "7", 0700);
        _cleanup_close_ int dir = scratch_make_dir(job, "dir", 0700);

        scratch_write(dir, "kept", "text");
        g_assert_cmpint(staging_remove(s->fd, "7"), ==, -ENOTEMPTY);
        assert_text(dir, "kept", "text");
}

static void *make_namespaces(void *unused)
{
        for (int i = 0; i < 50; i++) {
                _cleanup_close_ int fd = staging_userns_new(&pair, 1);
                g_assert_cmpint(fd, >=, 0);
        }
        return NULL;
}

/* Several threads at once, while others mount and unmount: no child is left, no descriptor leaks into one
 * that would hold a mount. */
static void test_threads(Scratch *s, const void *unused)
{
        GThread *threads[4];
        g_autofree char *busy = g_strdup_printf("%s/busy", s->path);
        siginfo_t info;

        ok(mkdirat(s->fd, "busy", 0755));
        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
                threads[i] = g_thread_new("namespaces", make_namespaces, NULL);
        for (int i = 0; i < 200; i++) {
                int fd;

                ok(mount("test", busy, "tmpfs", 0, NULL));
                ok(fd = open(busy, O_RDONLY | O_CLOEXEC));
                (void)close(fd);
                ok(umount(busy));
        }
        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
                (void)g_thread_join(threads[i]);
        g_assert_cmpint(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL), ==, -1);
        g_assert_cmpint(errno, ==, ECHILD);
}

int main(int argc, char **argv)
{
        scratch_init(&argc, &argv);
        scratch_add("/staging/written-files-have-disk-ids", test_written_files_have_disk_ids, NULL);
        scratch_add("/staging/read-only", test_read_only, NULL);
        scratch_add("/staging/third-owner", test_third_owner, NULL);
        scratch_add("/staging/attach-refuses", test_attach_refuses, NULL);
        scratch_add("/staging/remove", test_remove, NULL);
        scratch_add("/staging/remove-never-deletes-a-tree", test_remove_never_deletes_a_tree, NULL);
        scratch_add("/staging/threads", test_threads, NULL);
        return g_test_run();
}
