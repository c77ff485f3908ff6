/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/object-path.h"
#include "dbus/names.h"
#include <glib.h>
#include <string.h>

static void test_names(void)
{
        static const struct {
                const char *label, *name;
        } cases[] = {
                {"fa", "fa"},
                {"arena_2d1", "arena-1"},
                {"_307", "07"},
                {"_", ""},
                {"a_0ab", "a\nb"},
                {"_c3_a4", "ä"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *path = g_strconcat(HOST_INSTANCE_PREFIX "/", cases[i].label, NULL);
                g_autofree char *name = object_path_decode(path, HOST_INSTANCE_PREFIX);

                g_assert_cmpstr(name, ==, cases[i].name);
                g_assert_true(object_path_is_sound(path));
        }
}

/* Each of these is a name, or the end of one, to sd_bus_path_decode(). */
static void test_not_an_encoding(void)
{
        static const char *const labels[] = {"_66a", "f_61", "fa_00", "_00", "fa_00b", "_ff", "a_c3",
                "arena_2D1", "7", "a_", "a_2", "_zz", "a/b", "a/_62"};

        for (size_t i = 0; i < G_N_ELEMENTS(labels); i++) {
                static const char *const prefixes[] = {
                        HOST_INSTANCE_PREFIX, HOST_OVERLAY_PREFIX, HOST_JOB_PREFIX};

                for (size_t p = 0; p < G_N_ELEMENTS(prefixes); p++) {
                        g_autofree char *path = g_strconcat(prefixes[p], "/", labels[i], NULL);
                        g_autofree char *name = object_path_decode(path, prefixes[p]);

                        g_assert_cmpstr(name, ==, NULL);
                        g_assert_false(object_path_is_sound(path));
                }
        }
}

static void test_other_paths(void)
{
        g_autofree char *filler = g_strnfill(300, 'a');
        g_autofree char *long_path = g_strconcat("/", filler, NULL);
        static const char *const sound[] = {
                "/", "/org", HOST_PATH, HOST_INSTANCE_PREFIX, HOST_PATH "/instances/_66a", "/elsewhere/_66a"};

        for (size_t i = 0; i < G_N_ELEMENTS(sound); i++) {
                g_autofree char *name = object_path_decode(sound[i], HOST_INSTANCE_PREFIX);

                g_assert_cmpstr(name, ==, NULL);
                g_assert_true(object_path_is_sound(sound[i]));
        }
        g_assert_false(object_path_is_sound(long_path));
}

int main(int argc, char *argv[])
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/object-path/names", test_names);
        g_test_add_func("/object-path/not-an-encoding", test_not_an_encoding);
        g_test_add_func("/object-path/other-paths", test_other_paths);
        return g_test_run();
}
