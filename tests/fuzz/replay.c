/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where there is no libFuzzer: each file of the target's corpus is a test. */
#include "fuzz.h"

static void replay(gconstpointer path)
{
        g_autofree char *data = NULL;
        gsize size;

        g_assert_true(g_file_get_contents(path, &data, &size, NULL));
        /* In memory that ends with the bytes, so that whoever reads on is found out. */
        g_autofree uint8_t *exact = g_memdup2(data, size);
        g_assert_cmpint(LLVMFuzzerTestOneInput(exact ?: (const uint8_t *)"", size), ==, 0);
}

int main(int argc, char **argv)
{
        g_autofree char *corpus = NULL;
        g_autoptr(GDir) dir = NULL;
        const char *name;

        g_test_init(&argc, &argv, NULL);
        corpus = g_test_build_filename(G_TEST_DIST, "corpus", CORPUS, NULL);
        dir = g_dir_open(corpus, 0, NULL);
        g_assert_nonnull(dir);
        while ((name = g_dir_read_name(dir))) {
                g_autofree char *test = g_strdup_printf("/" CORPUS "/%s", name);

                g_test_add_data_func_full(test, g_build_filename(corpus, name, NULL), replay, g_free);
        }
        return g_test_run();
}
