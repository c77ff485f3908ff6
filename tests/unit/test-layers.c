/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/beneath.h"
#include "daemon/layers.h"
#include "scratch.h"

#include <dirent.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define MANY 200

/* A directory of layers: "lower-0" ... , "upper", "work" and "merged", with descriptors as the daemon has
 * them. */
typedef struct Stack {
        int parent;
        int lower[MANY + 300];
        LayersPlan plan;
} Stack;

static int open_path(int dir_fd, const char *name)
{
        int fd = beneath_open(dir_fd, name, O_PATH | O_DIRECTORY, 0);

        g_assert_cmpint(fd, >=, 0);
        return fd;
}

/* Lower N holds "who" with its number, and "only-N". */
static void stack_make(Stack *stack, Scratch *s, size_t n_lower)
{
        static const char *const names[] = {"upper", "merged"};
        g_autofree char *message = NULL;

        g_assert_cmpuint(n_lower, <=, G_N_ELEMENTS(stack->lower));
        stack->parent = s->fd;
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                (void)close(scratch_make_dir(s->fd, names[i], 0755));
        for (size_t i = 0; i < n_lower; i++) {
                g_autofree char *name = g_strdup_printf("lower-%zu", i);
                g_autofree char *only = g_strdup_printf("only-%zu", i);
                _cleanup_close_ int fd = scratch_make_dir(s->fd, name, 0755);

                scratch_write(fd, "who", name);
                scratch_write(fd, only, name);
                stack->lower[i] = open_path(s->fd, name);
        }
        stack->plan = (LayersPlan){
                .source = "left4me-test",
                .upper_fd = open_path(s->fd, "upper"),
                .work_fd = layers_renew_work(s->fd, &message),
                .lower_fds = stack->lower,
                .n_lower = n_lower,
        };
        g_assert_null(message);
        g_assert_cmpint(stack->plan.work_fd, >=, 0);
}

static void stack_close(Stack *stack)
{
        for (size_t i = 0; i < stack->plan.n_lower; i++)
                close_fd(&stack->lower[i]);
        close_fd(&stack->plan.upper_fd);
        close_fd(&stack->plan.work_fd);
}

static void stack_mount(Stack *stack, LayersWay way)
{
        g_autofree char *message = NULL;
        int r = layers_mount(way, &stack->plan, stack->parent, "merged", &message);

        g_assert_cmpstr(message, ==, NULL);
        g_assert_cmpint(r, ==, 0);
}

/* Returns: whether this kernel knows the way; the test is skipped otherwise. */
static bool way_works(Scratch *s, LayersWay way)
{
        g_autofree char *message = NULL;
        int r = layers_try(s->fd, way, &message);

        if (r < 0) {
                g_assert_nonnull(message);
                g_test_skip(message);
        }
        return r >= 0;
}

static unsigned count_entries(int dir_fd, const char *name)
{
        DIR *dir = fdopendir(openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const struct dirent *entry;
        unsigned n = 0;

        g_assert_nonnull(dir);
        while ((entry = readdir(dir)))
                n += beneath_is_component(entry->d_name);
        (void)closedir(dir);
        return n;
}

static char *mountinfo_line(const char *source)
{
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;

        g_assert_true(g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL));
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++)
                if (strstr(*line, source))
                        return g_strdup(*line);
        return NULL;
}

static void test_words(void)
{
        for (int way = 0; way < LAYERS_WAY_MAX; way++) {
                const char *word = layers_way_to_string((LayersWay)way);
                g_assert_nonnull(word);
                g_assert_cmpint(layers_way_from_string(word), ==, way);
        }
        g_assert_cmpint(layers_way_from_string("other"), ==, LAYERS_WAY_INVALID);
        g_assert_null(layers_way_to_string(LAYERS_WAY_INVALID));
        g_assert_null(layers_way_to_string(LAYERS_WAY_MAX));
}

static void test_many_layers(Scratch *s, const void *data)
{
        LayersWay way = (LayersWay)GPOINTER_TO_INT(data);
        Stack stack = {};
        g_autofree char *line = NULL;

        if (!way_works(s, way))
                return;
        stack_make(&stack, s, MANY);
        stack_mount(&stack, way);
        stack_close(&stack); /* the mount holds what it needs */

        g_assert_cmpuint(count_entries(s->fd, "merged"), ==, MANY + 1);
        assert_text(s->fd, "merged/who", "lower-0");
        scratch_write(s->fd, "merged/who", "written");
        assert_text(s->fd, "upper/who", "written");
        assert_text(s->fd, "lower-0/who", "lower-0");
        ok(unlinkat(s->fd, "merged/only-7", 0));
        g_assert_cmpint(faccessat(s->fd, "merged/only-7", F_OK, 0), <, 0);
        assert_text(s->fd, "lower-7/only-7", "lower-7");

        line = mountinfo_line(" overlay left4me-test ");
        g_assert_nonnull(line);
        g_assert_nonnull(strstr(line, "nosuid"));
        g_assert_nonnull(strstr(line, "nodev"));
        g_assert_null(strstr(line, "index=on"));
        g_assert_null(strstr(line, "metacopy=on"));
        g_assert_null(strstr(line, "xino=on"));
        g_assert_null(strstr(line, "redirect_dir=on"));
        g_assert_null(strstr(line, "volatile"));
        g_assert_cmpint(layers_unmount(s->fd, "merged"), ==, 0);
}

/* With index=on another order would be ESTALE. */
static void test_changed_order(Scratch *s, const void *data)
{
        LayersWay way = (LayersWay)GPOINTER_TO_INT(data);
        Stack stack = {};
        int first;

        if (!way_works(s, way))
                return;
        stack_make(&stack, s, 3);
        for (int i = 0; i < 3; i++) {
                g_autofree char *expected = g_strdup_printf("lower-%d", i);

                stack_mount(&stack, way);
                assert_text(s->fd, "merged/who", expected);
                g_assert_cmpint(layers_unmount(s->fd, "merged"), ==, 0);
                first = stack.lower[0];
                memmove(stack.lower, stack.lower + 1, 2 * sizeof(int));
                stack.lower[2] = first;
                close_fd(&stack.plan.work_fd);
                stack.plan.work_fd = layers_renew_work(s->fd, NULL);
        }
        stack_close(&stack);
}

static void test_refusal_has_the_reason(Scratch *s, const void *data)
{
        LayersWay way = (LayersWay)GPOINTER_TO_INT(data);
        Stack stack = {};
        g_autofree char *told = NULL, *logged = NULL;
        g_autofree char *other = g_strdup_printf("%s/other", s->path);

        if (!way_works(s, way))
                return;
        stack_make(&stack, s, 2);
        (void)close(stack.lower[1]);
        scratch_write(s->fd, "file", "");
        ok(stack.lower[1] = openat(s->fd, "file", O_PATH | O_CLOEXEC));
        g_assert_cmpint(layers_mount(way, &stack.plan, s->fd, "merged", &told), <, 0);
        g_assert_nonnull(strstr(told, "left4me-test"));
        if (way != LAYERS_WAY_OPTIONS)
                g_assert_nonnull(strstr(told, "is not a directory"));

        /* The kernel tells this one to its log alone. */
        (void)close(stack.lower[1]);
        stack.lower[1] = open_path(s->fd, "lower-1");
        (void)close(scratch_make_dir(s->fd, "other", 0755));
        ok(mount("test", other, "tmpfs", 0, NULL));
        close_fd(&stack.plan.work_fd);
        stack.plan.work_fd = open_path(s->fd, "other");
        g_assert_cmpint(layers_mount(way, &stack.plan, s->fd, "merged", &logged), ==, -EINVAL);
        g_assert_nonnull(strstr(logged, "left4me-test"));
        g_assert_nonnull(strstr(logged, "kernel's log"));
        g_assert_cmpint(layers_is_mounted(s->fd, "merged"), ==, 0);
        stack_close(&stack);
        ok(umount(other));
}

static void test_too_many_options(Scratch *s, const void *unused)
{
        Stack stack = {};
        g_autofree char *message = NULL;

        stack_make(&stack, s, MANY + 100);
        g_assert_cmpint(layers_mount(LAYERS_WAY_OPTIONS, &stack.plan, s->fd, "merged", &message), ==, -E2BIG);
        g_assert_nonnull(strstr(message, "300 layers"));
        g_assert_cmpint(layers_is_mounted(s->fd, "merged"), ==, 0);
        stack_close(&stack);
}

static void test_bad_plans(Scratch *s, const void *unused)
{
        Stack stack = {};
        g_autofree char *message = NULL, *none = NULL, *link = NULL;

        stack_make(&stack, s, 1);
        ok(symlinkat("merged", s->fd, "link"));
        g_assert_cmpint(layers_mount(LAYERS_WAY_OPTIONS, &stack.plan, s->fd, "../x", &message), ==, -EINVAL);
        g_assert_cmpint(layers_mount(LAYERS_WAY_OPTIONS, &stack.plan, s->fd, "none", &none), ==, -ENOENT);
        g_assert_cmpint(layers_mount(LAYERS_WAY_OPTIONS, &stack.plan, s->fd, "link", &link), ==, -ELOOP);
        stack.plan.n_lower = 0;
        g_assert_cmpint(layers_mount(LAYERS_WAY_OPTIONS, &stack.plan, s->fd, "merged", NULL), ==, -EINVAL);
        stack.plan.n_lower = 1;
        stack_close(&stack);
}

static void test_mounted_and_unmounted(Scratch *s, const void *unused)
{
        Stack stack = {};
        LayersWay way;
        g_autofree char *message = NULL, *again = NULL;
        int held;

        g_assert_cmpint(layers_probe(s->fd, &way, &message), ==, 0);
        stack_make(&stack, s, 1);
        g_assert_cmpint(layers_is_mounted(s->fd, "none"), ==, 0);
        g_assert_cmpint(layers_is_mounted(s->fd, "merged"), ==, 0);
        g_assert_cmpint(layers_unmount(s->fd, "merged"), ==, -EINVAL);

        stack_mount(&stack, way);
        g_assert_cmpint(layers_is_mounted(s->fd, "merged"), ==, 1);
        g_assert_cmpint(layers_mount(way, &stack.plan, s->fd, "merged", &again), ==, -EBUSY);
        g_assert_nonnull(again);

        ok(symlinkat("merged", s->fd, "link"));
        g_assert_cmpint(layers_is_mounted(s->fd, "link"), ==, 0);
        g_assert_cmpint(layers_unmount(s->fd, "link"), ==, -EINVAL);

        ok(held = openat(s->fd, "merged/who", O_RDONLY | O_CLOEXEC));
        g_assert_cmpint(layers_unmount(s->fd, "merged"), ==, -EBUSY);
        (void)close(held);
        ok(held = openat(s->fd, "merged", O_PATH | O_CLOEXEC));
        g_assert_cmpint(layers_unmount(s->fd, "merged"), ==, -EBUSY);
        (void)close(held);

        g_assert_cmpint(layers_is_mounted(s->fd, "merged"), ==, 1);
        g_assert_cmpint(layers_unmount(s->fd, "merged"), ==, 0);
        g_assert_cmpint(layers_is_mounted(s->fd, "merged"), ==, 0);
        stack_close(&stack);
}

/* The kernel offers it read-only with a word in its log alone. */
static void test_read_only_is_refused(Scratch *s, const void *data)
{
        LayersWay way = (LayersWay)GPOINTER_TO_INT(data);
        Stack stack = {};
        g_autofree char *message = NULL;

        if (!way_works(s, way))
                return;
        stack_make(&stack, s, 1);
        /* overlayfs cannot make work/work over a directory that its own clean-up does not empty. */
        scratch_write(s->fd, "work/work", "");
        ok(unlinkat(s->fd, "work/work", 0));
        ok(mkdirat(s->fd, "work/work", 0700));
        ok(mkdirat(s->fd, "work/work/a", 0700));
        ok(mkdirat(s->fd, "work/work/a/b", 0700));
        ok(mkdirat(s->fd, "work/work/a/b/c", 0700));
        ok(mkdirat(s->fd, "work/work/a/b/c/d", 0700));
        g_assert_cmpint(layers_mount(way, &stack.plan, s->fd, "merged", &message), ==, -EROFS);
        g_assert_nonnull(strstr(message, "read-only"));
        g_assert_cmpint(layers_is_mounted(s->fd, "merged"), ==, 0);
        stack_close(&stack);
}

static void test_check_top(Scratch *s, const void *unused)
{
        _cleanup_close_ int dir = scratch_make_dir(s->fd, "layer", 0755);
        _cleanup_close_ int layer = open_path(s->fd, "layer");
        g_autofree char *opaque = NULL, *override = NULL;

        g_assert_cmpint(layers_check_top(layer, NULL), ==, 0);
        ok(fsetxattr(dir, "user.mine", "y", 1, 0));
        ok(fsetxattr(dir, "user.fuseoverlayfsish", "y", 1, 0));
        g_assert_cmpint(layers_check_top(layer, NULL), ==, 0);
        ok(fsetxattr(dir, "user.fuseoverlayfs.opaque", "y", 1, 0));
        g_assert_cmpint(layers_check_top(layer, &opaque), ==, -EUCLEAN);
        g_assert_nonnull(strstr(opaque, "user.fuseoverlayfs.opaque"));
        ok(fremovexattr(dir, "user.fuseoverlayfs.opaque"));
        ok(fsetxattr(dir, "user.containers.override_stat", "0:0:0755", 8, 0));
        g_assert_cmpint(layers_check_top(layer, &override), ==, -EUCLEAN);
        g_assert_nonnull(strstr(override, "user.containers.override_stat"));
        ok(fremovexattr(dir, "user.containers.override_stat"));
        ok(fsetxattr(dir, "user.fuseoverlayfs.\n\377", "y", 1, 0));
        g_free(g_steal_pointer(&opaque));
        g_assert_cmpint(layers_check_top(layer, &opaque), ==, -EUCLEAN);
        g_assert_nonnull(strstr(opaque, "user.fuseoverlayfs.\\n\\377"));
}

static void test_renew_work(Scratch *s, const void *unused)
{
        _cleanup_close_ int work = scratch_make_dir(s->fd, "work", 0755);
        _cleanup_close_ int inner = scratch_make_dir(work, "work", 0000);
        _cleanup_close_ int temporary = scratch_make_dir(inner, "#1a", 0700);
        _cleanup_close_ int renewed = -1;
        struct stat st;
        char *message = NULL;

        ok(mknodat(temporary, "whiteout", S_IFCHR, makedev(0, 0)));
        scratch_write(inner, "#1b", "half a copy");
        renewed = layers_renew_work(s->fd, &message);
        g_assert_cmpint(renewed, >=, 0);
        ok(fstat(renewed, &st));
        g_assert_cmphex(st.st_mode, ==, S_IFDIR | 0700);
        g_assert_cmpuint(st.st_uid, ==, 0);
        g_assert_cmpuint(count_entries(s->fd, "work"), ==, 0);

        /* Deeper than the kernel leaves anything: not the kernel's, so it stays. */
        ok(mkdirat(s->fd, "work/1", 0700));
        ok(mkdirat(s->fd, "work/1/2", 0700));
        ok(mkdirat(s->fd, "work/1/2/3", 0700));
        ok(mkdirat(s->fd, "work/1/2/3/4", 0700));
        g_assert_cmpint(layers_renew_work(s->fd, &message), ==, -ENOTEMPTY);
        g_assert_nonnull(message);
        g_free(message);
}

/* The daemon was killed in the middle of a trial. */
static void test_probe_cleans_up(Scratch *s, const void *unused)
{
        _cleanup_close_ int scratch = scratch_make_dir(s->fd, ".layers-trial", 0700);
        g_autofree char *merged = g_strdup_printf("%s/.layers-trial/merged", s->path);
        g_autofree char *message = NULL;
        LayersWay way = LAYERS_WAY_INVALID;

        ok(mkdirat(scratch, "merged", 0700));
        ok(mount("left4me-trial", merged, "tmpfs", 0, NULL));
        g_assert_cmpint(layers_probe(s->fd, &way, &message), ==, 0);
        g_assert_null(message);
        g_assert_cmpint(way, >=, 0);
        g_assert_cmpuint(count_entries(s->fd, "."), ==, 0);
        g_assert_null(mountinfo_line("left4me-trial"));
}

/* An overlayfs needs more of its upper than proc has: what a probe says when nothing works. */
static void test_probe_fails_with_reasons(Scratch *s, const void *unused)
{
        g_autofree char *dir = g_strdup_printf("%s/readonly", s->path);
        g_autofree char *message = NULL;
        _cleanup_close_ int fd = -1;
        LayersWay way = LAYERS_WAY_INVALID;

        ok(mkdirat(s->fd, "readonly", 0755));
        ok(mount("test", dir, "tmpfs", MS_RDONLY, NULL));
        ok(fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        g_assert_cmpint(layers_probe(fd, &way, &message), ==, -EROFS);
        g_assert_nonnull(strstr(message, "descriptor: "));
        g_assert_nonnull(strstr(message, "options: "));
        g_assert_cmpint(way, ==, LAYERS_WAY_INVALID);
        close_fd(&fd);
        ok(umount(dir));
}

int main(int argc, char **argv)
{
        scratch_init(&argc, &argv);
        g_test_add_func("/layers/words", test_words);
        for (int way = 0; way < LAYERS_WAY_MAX; way++) {
                static const struct {
                        const char *name;
                        void (*test)(Scratch *, const void *);
                } tests[] = {
                        {"many", test_many_layers},
                        {"changed-order", test_changed_order},
                        {"reason", test_refusal_has_the_reason},
                        {"read-only", test_read_only_is_refused},
                };
                for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
                        g_autofree char *name = g_strdup_printf(
                                "/layers/%s/%s", layers_way_to_string((LayersWay)way), tests[i].name);
                        scratch_add(name, tests[i].test, GINT_TO_POINTER(way));
                }
        }
        scratch_add("/layers/options/too-many", test_too_many_options, NULL);
        scratch_add("/layers/bad-plans", test_bad_plans, NULL);
        scratch_add("/layers/mounted-and-unmounted", test_mounted_and_unmounted, NULL);
        scratch_add("/layers/check-top", test_check_top, NULL);
        scratch_add("/layers/renew-work", test_renew_work, NULL);
        scratch_add("/layers/probe/cleans-up", test_probe_cleans_up, NULL);
        scratch_add("/layers/probe/reasons", test_probe_fails_with_reasons, NULL);
        return g_test_run();
}
