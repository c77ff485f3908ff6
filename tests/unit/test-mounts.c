/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/mounts.h"
#include "daemon/paths.h"
#include "scratch.h"

#define RUNTIME PATH_STATE "/" DIR_RUNTIME

/* A tmpfs over /var/lib, in this program's mount namespace alone, so that the real paths can be used. */
static void state_set_up(void)
{
        ok(mount("test", "/var/lib", "tmpfs", 0, "mode=0755"));
        ok(g_mkdir_with_parents(RUNTIME, 0755));
        ok(mkdir("/var/lib/first", 0755));
        ok(mkdir("/var/lib/second", 0755));
}

static void state_tear_down(void)
{
        ok(umount2("/var/lib", MNT_DETACH));
}

static void mount_instance(const char *name, const char *type)
{
        g_autofree char *dir = g_strdup_printf(RUNTIME "/%s", name);
        g_autofree char *merged = g_strdup_printf("%s/merged", dir);
        const char *data = strcmp(type, "overlay") == 0 ? "lowerdir=/var/lib/first:/var/lib/second" : NULL;

        ok(g_mkdir_with_parents(merged, 0755));
        ok(mount("left4me-test", merged, type, MS_RDONLY, data));
}

static void test_instances(void)
{
        g_autoptr(GHashTable) names = NULL;
        int error = 0;

        state_set_up();
        mount_instance("a", "overlay");
        mount_instance("b_2-c", "overlay");
        mount_instance("not-an-overlay", "tmpfs");
        mount_instance("deeper/down", "overlay");
        names = mounts_read_instances(&error);
        g_assert_nonnull(names);
        g_assert_cmpuint(g_hash_table_size(names), ==, 2);
        g_assert_true(g_hash_table_contains(names, "a"));
        g_assert_true(g_hash_table_contains(names, "b_2-c"));

        ok(umount(RUNTIME "/a/merged"));
        g_hash_table_unref(names);
        names = mounts_read_instances(&error);
        g_assert_cmpuint(g_hash_table_size(names), ==, 1);
        state_tear_down();
}

static void count_call(void *userdata)
{
        ++*(unsigned *)userdata;
}

static void iterate_for(unsigned milliseconds, const unsigned *until_nonzero)
{
        gint64 end = g_get_monotonic_time() + milliseconds * G_TIME_SPAN_MILLISECOND;

        while (g_get_monotonic_time() < end && !(until_nonzero && *until_nonzero > 0)) {
                g_main_context_iteration(NULL, FALSE);
                g_usleep(1000);
        }
}

static void test_watch(void)
{
        g_autoptr(MountsWatch) watch = NULL;
        unsigned calls = 0;

        state_set_up();
        g_assert_cmpint(mounts_watch_new(count_call, &calls, &watch), ==, 0);
        iterate_for(50, NULL);
        g_assert_cmpuint(calls, ==, 0);

        for (int i = 0; i < 3; i++) {
                calls = 0;
                mount_instance("a", "overlay");
                iterate_for(5000, &calls);
                g_assert_cmpuint(calls, ==, 1);
                calls = 0;
                ok(umount(RUNTIME "/a/merged"));
                iterate_for(5000, &calls);
                g_assert_cmpuint(calls, ==, 1);
        }
        /* No spinning afterwards. */
        calls = 0;
        iterate_for(50, NULL);
        g_assert_cmpuint(calls, ==, 0);
        state_tear_down();
}

static void free_watch(void *userdata)
{
        g_clear_pointer((MountsWatch **)userdata, mounts_watch_free);
}

static void test_watch_freed_in_its_call(void)
{
        MountsWatch *watch = NULL;

        state_set_up();
        g_assert_cmpint(mounts_watch_new(free_watch, &watch, &watch), ==, 0);
        mount_instance("a", "overlay");
        iterate_for(100, NULL);
        g_assert_null(watch);
        state_tear_down();
}

int main(int argc, char **argv)
{
        scratch_init(&argc, &argv);
        g_test_add_func("/mounts/instances", test_instances);
        g_test_add_func("/mounts/watch/calls-once-a-change", test_watch);
        g_test_add_func("/mounts/watch/freed-in-its-call", test_watch_freed_in_its_call);
        return g_test_run();
}
