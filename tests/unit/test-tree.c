/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs left4me-tree as an unprivileged user on trees that a hostile script could leave behind: $LEFT4ME_TREE,
 * or the one of this build, or the installed one. */
#include "scratch.h"

#include <grp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define SLOT      54321
#define INSTALLED "/usr/libexec/left4me/left4me-tree"

static int program_fd = -1;

static int program_open(void)
{
        g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
        g_autofree char *build = g_path_get_dirname(self);
        g_autofree char *built = g_build_filename(build, "../../daemon/tree/left4me-tree", NULL);
        const char *paths[] = {g_getenv("LEFT4ME_TREE"), built, INSTALLED};

        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                int fd = paths[i] ? open(paths[i], O_RDONLY) : -1; /* not O_CLOEXEC: the child runs it */
                if (fd >= 0)
                        return fd;
        }
        return -1;
}

typedef struct Run {
        int status;
        char *out;
        char *err;
} Run;

static void run_clear(Run *run)
{
        g_free(run->out);
        g_free(run->err);
        *run = (Run){};
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

static void become_slot(void *limit)
{
        struct rlimit files = {GPOINTER_TO_UINT(limit), GPOINTER_TO_UINT(limit)};

        if (files.rlim_cur > 0 && setrlimit(RLIMIT_NOFILE, &files) < 0)
                _exit(200);
        if (setgroups(0, NULL) < 0 || setresgid(SLOT, SLOT, SLOT) < 0 || setresuid(SLOT, SLOT, SLOT) < 0)
                _exit(201);
}

static void without_network(void *unused)
{
        if (unshare(CLONE_NEWNET) < 0)
                _exit(202);
}

/* Runs left4me-tree in the scratch directory. Its own descriptor is the path, as the build may lie where the
 * slot cannot go. */
static Run run_with(
        Scratch *s, GSpawnChildSetupFunc set_up, void *data, const char *verb, const char *const *dirs)
{
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", program_fd);
        g_autoptr(GPtrArray) argv = g_ptr_array_new();
        g_autoptr(GError) error = NULL;
        Run run = {};
        int status;

        g_ptr_array_add(argv, path);
        g_ptr_array_add(argv, (char *)verb);
        for (; dirs && *dirs; dirs++)
                g_ptr_array_add(argv, (char *)*dirs);
        g_ptr_array_add(argv, NULL);
        g_assert_true(g_spawn_sync(s->path, (char **)argv->pdata, NULL, G_SPAWN_LEAVE_DESCRIPTORS_OPEN,
                set_up, data, &run.out, &run.err, &status, &error));
        g_assert_no_error(error);
        g_assert_true(WIFEXITED(status));
        run.status = WEXITSTATUS(status);
        return run;
}

static Run run(Scratch *s, const char *verb, const char *dir)
{
        return run_with(s, become_slot, NULL, verb, (const char *const[]){dir, NULL});
}

/* Gives the tree to the slot: what root made for a test. */
static int own_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return lchown(path, SLOT, SLOT);
}

static void own(Scratch *s, const char *dir)
{
        g_autofree char *path = g_build_filename(s->path, dir, NULL);

        ok(nftw(path, own_one, 16, FTW_PHYS | FTW_MOUNT));
}

/* Returns: the digest, allocated. */
static char *seal(Scratch *s, const char *dir, guint64 *ret_bytes, guint64 *ret_files)
{
        g_auto(Run) result = {};
        g_auto(GStrv) words = NULL;

        own(s, dir);
        result = run(s, "seal", dir);
        g_assert_cmpstr(result.err, ==, "");
        g_assert_cmpint(result.status, ==, 0);
        g_assert_true(g_str_has_suffix(result.out, "\n"));
        words = g_strsplit(g_strchomp(result.out), " ", -1);
        g_assert_cmpuint(g_strv_length(words), ==, 3);
        g_assert_cmpuint(strlen(words[0]), ==, 64);
        if (ret_bytes)
                g_assert_true(g_ascii_string_to_unsigned(words[1], 10, 0, G_MAXUINT64, ret_bytes, NULL));
        if (ret_files)
                g_assert_true(g_ascii_string_to_unsigned(words[2], 10, 0, G_MAXUINT64, ret_files, NULL));
        return g_strdup(words[0]);
}

static void assert_refused(Scratch *s, const char *dir, const char *line)
{
        g_auto(Run) result = run(s, "seal", dir);

        g_assert_cmpstr(result.out, ==, line);
        g_assert_cmpstr(result.err, ==, line);
        g_assert_cmpint(result.status, ==, 65);
}

static void make_fifo(int dir)
{
        ok(mkfifoat(dir, "it", 0644));
}

static void make_socket(int dir)
{
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        (void)g_snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/it", dir);
        ok(bind(fd, (struct sockaddr *)&address, sizeof(address)));
}

static void make_whiteout(int dir)
{
        ok(mknodat(dir, "it", S_IFCHR | 0644, makedev(0, 0)));
}

static void make_character_device(int dir)
{
        ok(mknodat(dir, "it", S_IFCHR | 0644, makedev(1, 3)));
}

static void make_block_device(int dir)
{
        ok(mknodat(dir, "it", S_IFBLK | 0644, makedev(7, 0)));
}

static void make_file_with(int dir, mode_t mode)
{
        scratch_write(dir, "it", "text");
        ok(fchownat(dir, "it", SLOT, SLOT, 0));
        ok(fchmodat(dir, "it", mode, 0));
}

static void make_set_user_id(int dir)
{
        make_file_with(dir, 04755);
}

static void make_set_group_id(int dir)
{
        make_file_with(dir, 02755);
}

static void make_unreadable(int dir)
{
        make_file_with(dir, 0000);
}

static void make_directory_with(int dir, mode_t mode)
{
        ok(mkdirat(dir, "it", 0755));
        ok(fchownat(dir, "it", SLOT, SLOT, 0));
        ok(fchmodat(dir, "it", mode, 0));
}

static void make_set_group_id_directory(int dir)
{
        make_directory_with(dir, 02755);
}

static void make_unreadable_directory(int dir)
{
        make_directory_with(dir, 0300);
}

static const struct {
        const char *name;
        void (*make)(int dir);
        const char *reason;
} hostile[] = {
        {"pipe", make_fifo, "is a named pipe"},
        {"socket", make_socket, "is a socket"},
        {"whiteout", make_whiteout, "is an overlayfs whiteout (character device 0/0)"},
        {"character-device", make_character_device, "is a character device"},
        {"block-device", make_block_device, "is a block device"},
        {"set-user-id", make_set_user_id, "has the set-user-id bit"},
        {"set-group-id", make_set_group_id, "has the set-group-id bit"},
        {"set-group-id-directory", make_set_group_id_directory, "has the set-group-id bit"},
        {"unreadable", make_unreadable, "cannot be read: Permission denied"},
        {"unreadable-directory", make_unreadable_directory, "cannot be read: Permission denied"},
};

static void test_refuses(Scratch *s, const void *data)
{
        size_t i = GPOINTER_TO_SIZE(data);
        _cleanup_close_ int tree = scratch_make_dir(s->fd, "tree", 0755);
        _cleanup_close_ int dir = scratch_make_dir(tree, "dir", 0755);
        g_autofree char *line = g_strdup_printf("refused: dir/it: %s\n", hostile[i].reason);

        hostile[i].make(dir);
        assert_refused(s, "tree", line);
}

static void test_refuses_unsearchable(Scratch *s, const void *unused)
{
        _cleanup_close_ int tree = scratch_make_dir(s->fd, "tree", 0755);
        _cleanup_close_ int dir = scratch_make_dir(tree, "dir", 0755);

        scratch_write(dir, "file", "");
        own(s, "tree");
        ok(fchmod(dir, 0600));
        assert_refused(s, "tree", "refused: dir: cannot be read: Permission denied\n");
}

static void test_refuses_the_top(Scratch *s, const void *unused)
{
        _cleanup_close_ int tree = scratch_make_dir(s->fd, "tree", 0755);

        own(s, "tree");
        ok(symlinkat("tree", s->fd, "link"));
        assert_refused(s, "link", "refused: .: cannot be read: Not a directory\n");
        assert_refused(s, "none", "refused: .: cannot be read: No such file or directory\n");
        ok(fchmod(tree, 0000));
        assert_refused(s, "tree", "refused: .: cannot be read: Permission denied\n");
        ok(fchmod(tree, 02755));
        assert_refused(s, "tree", "refused: .: has the set-group-id bit\n");
        ok(fchmod(tree, 0755));
        ok(fsetxattr(tree, "user.fuseoverlayfs.opaque", "y", 1, 0));
        {
                g_auto(Run) result = run(s, "seal", "tree");
                g_assert_cmpint(result.status, ==, 65);
                g_assert_true(g_str_has_prefix(result.out, "refused: .: "));
                g_assert_nonnull(strstr(result.out, "user.fuseoverlayfs.opaque"));
        }
}

/* A chain of directories "d". Returns: the innermost. */
static int make_chain(int dir_fd, unsigned levels, uid_t owner)
{
        int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);

        ok(fd);
        while (levels-- > 0) {
                int next;

                ok(mkdirat(fd, "d", 0755));
                ok(fchownat(fd, "d", owner, owner, 0));
                ok(next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
                (void)close(fd);
                fd = next;
        }
        return fd;
}

static void test_depth(Scratch *s, const void *unused)
{
        _cleanup_close_ int tree = scratch_make_dir(s->fd, "tree", 0755);
        _cleanup_close_ int inner = make_chain(tree, 128, SLOT);
        g_auto(Run) accepted = {}, refused = {};

        scratch_write(inner, "file", "");
        accepted =
                run_with(s, become_slot, GUINT_TO_POINTER(160), "seal", (const char *const[]){"tree", NULL});
        g_assert_cmpint(accepted.status, ==, 0);
        ok(mkdirat(inner, "e", 0755));
        refused =
                run_with(s, become_slot, GUINT_TO_POINTER(160), "seal", (const char *const[]){"tree", NULL});
        g_assert_cmpint(refused.status, ==, 65);
        g_assert_true(g_str_has_prefix(refused.out, "refused: d/d/d/"));
        g_assert_true(g_str_has_suffix(refused.out, ": lies deeper than 128 directories\n"));
        /* "refused: " + 200 bytes of the path + the reason. */
        g_assert_cmpuint(strcspn(refused.out + strlen("refused: "), ":"), ==, 200);
}

static void test_names_are_escaped(Scratch *s, const void *unused)
{
        _cleanup_close_ int tree = scratch_make_dir(s->fd, "tree", 0755);
        _cleanup_close_ int dir = scratch_make_dir(tree, "a\nrefused: b\\\377\033[2J", 0755);

        make_fifo(dir);
        assert_refused(s, "tree", "refused: a\\nrefused: b\\\\\\377\\033[2J/it: is a named pipe\n");
}

static void make_sample(Scratch *s, const char *name)
{
        _cleanup_close_ int tree = scratch_make_dir(s->fd, name, 0755);
        _cleanup_close_ int dir = scratch_make_dir(tree, "d", 0755);

        scratch_write(dir, "f", "hello\n");
        ok(symlinkat("d/f", tree, "l"));
}

/* The digest is stored and compared over years: this one was computed by another program, from what tree.h
 * says. */
static void test_digest_is_as_documented(Scratch *s, const void *unused)
{
        g_autofree char *digest = NULL;
        guint64 bytes, files;

        make_sample(s, "tree");
        digest = seal(s, "tree", &bytes, &files);
        g_assert_cmpstr(digest, ==, "8855c0fcc44b56712d2160611190997708a262d560afca74820fdcd71d56fb9c");
        g_assert_cmpuint(files, ==, 2);
}

static void test_digest_is_of_the_content_alone(Scratch *s, const void *unused)
{
        static const char *const names[] = {"a", "B", "b", "a\n", "\303\244", " ", "a.b", "..."};
        _cleanup_close_ int one = scratch_make_dir(s->fd, "one", 0755);
        _cleanup_close_ int two = scratch_make_dir(s->fd, "two", 0755);
        g_autofree char *first = NULL, *second = NULL;

        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                scratch_write(one, names[i], names[i]);
                scratch_write(two, names[G_N_ELEMENTS(names) - 1 - i], names[G_N_ELEMENTS(names) - 1 - i]);
        }
        /* Links that loop, dangle or lead out are text. */
        ok(symlinkat("loop", one, "loop"));
        ok(symlinkat("/etc/shadow", one, "out"));
        ok(symlinkat("/etc/shadow", two, "out"));
        ok(symlinkat("loop", two, "loop"));
        /* The same content by one inode or two. */
        ok(linkat(one, "a", one, "hard", 0));
        scratch_write(two, "hard", "a");
        ok(utimensat(two, "a", (struct timespec[]){{.tv_sec = 1}, {.tv_sec = 1}}, 0));
        first = seal(s, "one", NULL, NULL);
        second = seal(s, "two", NULL, NULL);
        g_assert_cmpstr(first, ==, second);
}

static void change_mode(int tree)
{
        ok(fchmodat(tree, "d/f", 0755, 0));
}

static void change_directory_mode(int tree)
{
        ok(fchmodat(tree, "d", 0700, 0));
}

static void change_top_mode(int tree)
{
        ok(fchmod(tree, 0750));
}

static void change_content(int tree)
{
        scratch_write(tree, "d/f", "hullo\n");
}

static void change_name(int tree)
{
        ok(renameat(tree, "d/f", tree, "d/g"));
}

static void change_place(int tree)
{
        ok(renameat(tree, "d/f", tree, "f"));
}

static void change_target(int tree)
{
        ok(unlinkat(tree, "l", 0));
        ok(symlinkat("d/g", tree, "l"));
}

static void change_link_to_file(int tree)
{
        ok(unlinkat(tree, "l", 0));
        scratch_write(tree, "l", "d/f");
        ok(fchmodat(tree, "l", 0777, 0));
}

static void add_empty_directory(int tree)
{
        ok(mkdirat(tree, "e", 0755));
}

static void test_any_change_changes_the_digest(Scratch *s, const void *unused)
{
        static void (*const changes[])(int) = {change_mode, change_directory_mode, change_top_mode,
                change_content, change_name, change_place, change_target, change_link_to_file,
                add_empty_directory};
        g_autoptr(GHashTable) digests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        make_sample(s, "same");
        g_hash_table_add(digests, seal(s, "same", NULL, NULL));
        for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
                g_autofree char *name = g_strdup_printf("tree-%zu", i);
                _cleanup_close_ int tree = -1;

                make_sample(s, name);
                ok(tree = openat(s->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
                changes[i](tree);
                g_assert_true(g_hash_table_add(digests, seal(s, name, NULL, NULL)));
        }
}

static void test_counts(Scratch *s, const void *unused)
{
        _cleanup_close_ int tree = scratch_make_dir(s->fd, "tree", 0755);
        _cleanup_close_ int big = -1, sparse = -1;
        g_autofree char *content = g_malloc0(1 << 20);
        g_autofree char *digest = NULL, *du = NULL;
        g_autofree char *path = g_strdup_printf("%s/tree", s->path);
        guint64 bytes, files, expected;

        ok(big = openat(tree, "big", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        g_assert_cmpint(write(big, content, 1 << 20), ==, 1 << 20);
        ok(linkat(tree, "big", tree, "also", 0));
        ok(linkat(tree, "big", tree, "too", 0));
        ok(sparse = openat(tree, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        ok(ftruncate(sparse, 64 << 20));
        ok(symlinkat("big", tree, "link"));
        ok(mkdirat(tree, "dir", 0755));
        digest = seal(s, "tree", &bytes, &files);
        g_assert_cmpuint(files, ==, 5);
        g_assert_cmpuint(bytes, >=, 1 << 20);
        g_assert_cmpuint(bytes, <, 2 << 20);
        g_assert_true(g_spawn_sync(NULL, (char *[]){(char *)"du", (char *)"-sB1", path, NULL}, NULL,
                G_SPAWN_SEARCH_PATH, NULL, NULL, &du, NULL, NULL, NULL));
        expected = g_ascii_strtoull(du, NULL, 10);
        g_assert_cmpuint(bytes, ==, expected);
}

static void make_hole(int dir, const char *name, off_t size)
{
        _cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        ok(ftruncate(fd, size));
}

/* What costs nothing on the disk must not keep the seal busy for hours. */
static void test_holes_are_limited(Scratch *s, const void *unused)
{
        _cleanup_close_ int tree = scratch_make_dir(s->fd, "tree", 0755);

        make_hole(tree, "a", 64 << 20);
        make_hole(tree, "b", (16LL << 30) - (32 << 20));
        own(s, "tree");
        assert_refused(s, "tree",
                "refused: b: has holes, which with those of the files before it are more than 16 GiB\n");
        make_hole(tree, "a", 15LL << 40);
        assert_refused(s, "tree",
                "refused: a: has holes, which with those of the files before it are more than 16 GiB\n");
}

static double seconds_of_children(void)
{
        struct rusage usage;

        ok(getrusage(RUSAGE_CHILDREN, &usage));
        return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec;
}

static void test_many_names_are_read_once(Scratch *s, const void *unused)
{
        _cleanup_close_ int tree = scratch_make_dir(s->fd, "tree", 0755);
        double before;
        guint64 bytes, files;

        make_hole(tree, "file", 32 << 20);
        for (int i = 0; i < 299; i++) {
                g_autofree char *name = g_strdup_printf("%d", i);

                ok(linkat(tree, "file", tree, name, 0));
        }
        before = seconds_of_children();
        g_free(seal(s, "tree", &bytes, &files));
        g_assert_cmpuint(files, ==, 300);
        g_assert_cmpfloat(seconds_of_children() - before, <, 10); /* each name alone: most of a minute */
}

static gboolean is_empty(Scratch *s, const char *name)
{
        g_autofree char *path = g_build_filename(s->path, name, NULL);
        g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);

        g_assert_nonnull(dir);
        return g_dir_read_name(dir) == NULL;
}

static void assert_emptied(Scratch *s, const char *dir)
{
        g_auto(Run) result = run(s, "empty", dir);

        g_assert_cmpstr(result.err, ==, "");
        g_assert_cmpstr(result.out, ==, "");
        g_assert_cmpint(result.status, ==, 0);
        g_assert_true(is_empty(s, dir));
}

static void test_empties_anything(Scratch *s, const void *unused)
{
        _cleanup_close_ int tree = scratch_make_dir(s->fd, "tree", 0755);
        _cleanup_close_ int inner = -1;

        scratch_write(s->fd, "victim", "victim");
        (void)close(scratch_make_dir(s->fd, "victims", 0777));
        scratch_write(s->fd, "victims/one", "victim");
        for (size_t i = 0; i < G_N_ELEMENTS(hostile); i++) {
                _cleanup_close_ int dir = scratch_make_dir(tree, hostile[i].name, 0755);
                hostile[i].make(dir);
        }
        ok(symlinkat("../victim", tree, "file-link"));
        ok(symlinkat("../victims", tree, "dir-link"));
        ok(symlinkat("loop", tree, "loop"));
        inner = scratch_make_dir(tree, "-rf\n*", 0755);
        ok(symlinkat("../../victims", inner, "dir-link"));
        scratch_write(inner, "file", "");
        ok(mkdirat(inner, "locked", 0755));
        ok(mkdirat(inner, "locked/deeper", 0755));
        ok(mkdirat(inner, "locked/deeper/0", 0755));
        own(s, "tree");
        ok(fchmodat(inner, "locked/deeper/0", 0000, 0));
        ok(fchmodat(inner, "locked/deeper", 0000, 0));
        ok(fchmodat(inner, "locked", 0500, 0));
        ok(fchmod(inner, 0000));
        ok(fchmod(tree, 0000));

        assert_emptied(s, "tree");
        assert_emptied(s, "tree");
        assert_text(s->fd, "victim", "victim");
        assert_text(s->fd, "victims/one", "victim");
}

static void test_empties_whiteouts_of_others(Scratch *s, const void *unused)
{
        _cleanup_close_ int tree = scratch_make_dir(s->fd, "tree", 0755);

        own(s, "tree");
        make_whiteout(tree);
        assert_emptied(s, "tree");
}

/* On a tmpfs: a directory takes a block elsewhere, which would be 400 MB. */
static void test_empties_deep(Scratch *s, const void *unused)
{
        g_autofree char *path = g_strdup_printf("%s/deep", s->path);
        g_auto(Run) result = {};
        int tree, inner;

        ok(mkdirat(s->fd, "deep", 0755));
        ok(mount("test", path, "tmpfs", 0, NULL));
        ok(tree = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        ok(fchown(tree, SLOT, SLOT));
        inner = make_chain(tree, 100000, SLOT);
        scratch_write(inner, "file", "");
        (void)close(inner);
        (void)close(tree);
        result = run_with(s, become_slot, GUINT_TO_POINTER(16), "empty", (const char *const[]){"deep", NULL});
        g_assert_cmpstr(result.err, ==, "");
        g_assert_cmpint(result.status, ==, 0);
        g_assert_true(is_empty(s, "deep"));
        ok(umount(path));
}

/* Names that what is moved up would like to have, and more entries than one read of a directory returns. */
static void test_empties_wide(Scratch *s, const void *unused)
{
        _cleanup_close_ int tree = scratch_make_dir(s->fd, "tree", 0755);
        _cleanup_close_ int dir = scratch_make_dir(tree, "x", 0755);

        for (int i = 0; i < 2000; i++) {
                g_autofree char *name = g_strdup_printf("%d", i);
                _cleanup_close_ int fd = scratch_make_dir(dir, name, 0755);

                (void)close(scratch_make_dir(fd, name, 0755));
                if (i % 2 == 0) {
                        _cleanup_close_ int top = scratch_make_dir(tree, name, 0755);
                        scratch_write(top, "file", "");
                } else {
                        scratch_write(tree, name, "");
                }
        }
        own(s, "tree");
        assert_emptied(s, "tree");
}

static void test_empty_names_what_stays(Scratch *s, const void *unused)
{
        _cleanup_close_ int tree = scratch_make_dir(s->fd, "tree", 0755);
        _cleanup_close_ int dir = scratch_make_dir(tree, "dir", 0755);
        _cleanup_close_ int roots = -1;
        g_auto(Run) result = {};

        scratch_write(tree, "file", "");
        scratch_write(dir, "file", "");
        own(s, "tree");
        roots = scratch_make_dir(dir, "roots\n", 0755);
        scratch_write(roots, "stays", "text");
        result = run(s, "empty", "tree");
        g_assert_cmpint(result.status, ==, 1);
        g_assert_cmpstr(result.err, ==, "tree: cannot delete \"roots\\n\": Permission denied\n");
        assert_text(roots, "stays", "text");
        g_assert_cmpint(faccessat(tree, "file", F_OK, 0), <, 0);
        g_assert_cmpint(faccessat(dir, "file", F_OK, 0), <, 0);

        own(s, "tree");
        assert_emptied(s, "tree");
}

static void test_empty_crosses_no_mount(Scratch *s, const void *unused)
{
        _cleanup_close_ int tree = scratch_make_dir(s->fd, "tree", 0755);
        g_autofree char *top = g_strdup_printf("%s/tree/mounted", s->path);
        g_autofree char *inner = g_strdup_printf("%s/tree/dir/bound", s->path);
        g_autofree char *victims = g_strdup_printf("%s/victims", s->path);
        g_auto(Run) result = {};

        (void)close(scratch_make_dir(s->fd, "victims", 0777));
        scratch_write(s->fd, "victims/one", "victim");
        (void)close(scratch_make_dir(tree, "mounted", 0755));
        (void)close(scratch_make_dir(tree, "dir", 0755));
        (void)close(scratch_make_dir(tree, "dir/bound", 0755));
        scratch_write(tree, "dir/file", "");
        own(s, "tree");
        ok(mount("test", top, "tmpfs", 0, "mode=0777"));
        scratch_write(tree, "mounted/kept", "text");
        ok(mount(victims, inner, NULL, MS_BIND, NULL)); /* same filesystem */

        result = run(s, "empty", "tree");
        g_assert_cmpint(result.status, ==, 1);
        g_assert_nonnull(strstr(result.err, "Device or resource busy"));
        assert_text(tree, "mounted/kept", "text");
        assert_text(s->fd, "victims/one", "victim");
        g_assert_cmpint(faccessat(tree, "dir/file", F_OK, 0), <, 0);
        ok(umount(top));
        ok(umount(inner));
        assert_emptied(s, "tree");
}

static void test_empties_several(Scratch *s, const void *unused)
{
        static const char *const names[] = {"one", "none", "two", NULL};
        g_auto(Run) result = {};

        (void)close(scratch_make_dir(s->fd, "one", 0755));
        (void)close(scratch_make_dir(s->fd, "two", 0755));
        scratch_write(s->fd, "one/file", "");
        scratch_write(s->fd, "two/file", "");
        own(s, "one");
        own(s, "two");
        result = run_with(s, become_slot, NULL, "empty", names);
        g_assert_cmpint(result.status, ==, 1);
        g_assert_cmpstr(result.err, ==, "none: cannot open: No such file or directory\n");
        g_assert_true(is_empty(s, "one"));
        g_assert_true(is_empty(s, "two"));
}

static void test_probe_filter(Scratch *s, const void *unused)
{
        g_auto(Run) open = run_with(s, NULL, NULL, "probe-filter", NULL);
        g_auto(Run) alone = run_with(s, without_network, NULL, "probe-filter", NULL);

        g_assert_cmpstr(open.err, ==, "");
        g_assert_cmpint(open.status, ==, 1);
        g_assert_cmpint(alone.status, ==, 2);
        g_assert_nonnull(strstr(alone.err, "Network is unreachable"));
}

static void test_usage(Scratch *s, const void *unused)
{
        static const char *const verbs[] = {"", "other", "seal", "empty"};

        for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) {
                g_auto(Run) result = run_with(s, become_slot, NULL, verbs[i], NULL);
                g_assert_cmpint(result.status, ==, 64);
                g_assert_cmpstr(result.out, ==, "");
                g_assert_true(g_str_has_prefix(result.err, "Usage: "));
        }
}

int main(int argc, char **argv)
{
        scratch_init(&argc, &argv);
        program_fd = program_open();
        if (program_fd < 0) {
                g_print("Bail out! No left4me-tree: set LEFT4ME_TREE\n");
                return 1;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(hostile); i++) {
                g_autofree char *name = g_strdup_printf("/tree/seal/refuses/%s", hostile[i].name);
                scratch_add(name, test_refuses, GSIZE_TO_POINTER(i));
        }
        scratch_add("/tree/seal/refuses/unsearchable", test_refuses_unsearchable, NULL);
        scratch_add("/tree/seal/refuses/the-top", test_refuses_the_top, NULL);
        scratch_add("/tree/seal/depth", test_depth, NULL);
        scratch_add("/tree/seal/names-are-escaped", test_names_are_escaped, NULL);
        scratch_add("/tree/seal/digest-is-as-documented", test_digest_is_as_documented, NULL);
        scratch_add("/tree/seal/digest-is-of-the-content-alone", test_digest_is_of_the_content_alone, NULL);
        scratch_add("/tree/seal/any-change-changes-the-digest", test_any_change_changes_the_digest, NULL);
        scratch_add("/tree/seal/counts", test_counts, NULL);
        scratch_add("/tree/seal/holes-are-limited", test_holes_are_limited, NULL);
        scratch_add("/tree/seal/many-names-are-read-once", test_many_names_are_read_once, NULL);
        scratch_add("/tree/empty/anything", test_empties_anything, NULL);
        scratch_add("/tree/empty/whiteouts-of-others", test_empties_whiteouts_of_others, NULL);
        scratch_add("/tree/empty/deep", test_empties_deep, NULL);
        scratch_add("/tree/empty/wide", test_empties_wide, NULL);
        scratch_add("/tree/empty/names-what-stays", test_empty_names_what_stays, NULL);
        scratch_add("/tree/empty/crosses-no-mount", test_empty_crosses_no_mount, NULL);
        scratch_add("/tree/empty/several", test_empties_several, NULL);
        scratch_add("/tree/probe-filter", test_probe_filter, NULL);
        scratch_add("/tree/usage", test_usage, NULL);
        return g_test_run();
}
