/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/settings.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct Fixture {
        char *directory, *path, *dropins;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
        f->directory = g_dir_make_tmp("test-settings-XXXXXX", NULL);
        g_assert_nonnull(f->directory);
        f->path = g_build_filename(f->directory, "host.conf", NULL);
        f->dropins = g_build_filename(f->directory, "host.conf.d", NULL);
        g_assert_cmpint(g_mkdir(f->dropins, 0755), ==, 0);
}

static void remove_all(const char *directory)
{
        g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
        const char *name;

        while ((name = g_dir_read_name(dir))) {
                g_autofree char *path = g_build_filename(directory, name, NULL);

                if (g_file_test(path, G_FILE_TEST_IS_DIR))
                        remove_all(path);
                else
                        g_assert_cmpint(g_unlink(path), ==, 0);
        }
        g_assert_cmpint(g_rmdir(directory), ==, 0);
}

static void tear_down(Fixture *f, gconstpointer data)
{
        remove_all(f->directory);
        g_free(f->directory);
        g_free(f->path);
        g_free(f->dropins);
}

static void write_dropin(Fixture *f, const char *name, const char *text)
{
        g_autofree char *path = g_build_filename(f->dropins, name, NULL);
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static Settings *load(Fixture *f)
{
        g_autofree char *message = NULL;
        Settings *settings = NULL;
        int r = settings_load(f->path, f->dropins, &settings, &message);

        g_assert_cmpstr(message, ==, NULL);
        g_assert_cmpint(r, ==, 0);
        return settings;
}

static void assert_refused(Fixture *f, int error, const char *file, const char *words)
{
        g_autofree char *message = NULL;
        Settings *settings = NULL;

        g_assert_cmpint(settings_load(f->path, f->dropins, &settings, &message), ==, error);
        g_assert_null(settings);
        if (!g_str_has_prefix(message, f->directory) || !strstr(message, file) || !strstr(message, words))
                g_error("\"%s\" does not say \"%s\" of %s", message, words, file);
}

static void assert_defaults(const Settings *settings)
{
        g_assert_cmpuint(settings->port_first, ==, 27015);
        g_assert_cmpuint(settings->port_last, ==, 27314);
        g_assert_cmpstr(settings->listen_address, ==, "0.0.0.0");
        g_assert_cmpuint(settings->job_slots, ==, 4);
        g_assert_cmpuint(settings->max_pending_calls, ==, 64);
        g_assert_cmpuint(settings->max_queued_jobs, ==, 256);
        g_assert_cmpuint(settings->max_log_readers, ==, 256);
        g_assert_cmpuint(settings->build_time_limit, ==, UINT64_C(3600000000));
        g_assert_cmpuint(settings->keep_generations, ==, 2);
        g_assert_cmpuint(settings->keep_finished, ==, 100);
        g_assert_cmpuint(settings->keep_finished_age, ==, UINT64_C(2592000000000));
        g_assert_cmpuint(settings->build_size_limit, ==, UINT64_C(20) << 30);
        g_assert_cmpuint(settings->build_file_limit, ==, 1000000);
        g_assert_cmpuint(settings->cache_size_limit, ==, UINT64_C(20) << 30);
        g_assert_cmpuint(settings->keep_free, ==, UINT64_C(1) << 30);
}

static void test_defaults(Fixture *f, gconstpointer data)
{
        g_autoptr(Settings) nothing = load(f), empty = NULL, without_dropins = NULL;

        assert_defaults(nothing);
        g_assert_true(g_file_set_contents(f->path, "# nothing\n\n[Host]\n#JobSlots=9\n", -1, NULL));
        empty = load(f);
        assert_defaults(empty);
        g_assert_cmpint(g_rmdir(f->dropins), ==, 0);
        without_dropins = load(f);
        assert_defaults(without_dropins);
}

static void test_all(Fixture *f, gconstpointer data)
{
        g_autoptr(Settings) settings = NULL;

        g_assert_true(g_file_set_contents(f->path,
                "[Host]\nPortRange=1024-1026\nListenAddress = 192.0.2.7 "
                "\nJobSlots=16\nMaxPendingCallsPerUser=1\n"
                "MaxQueuedJobsPerUser=65536\nMaxLogReadersPerUser=65536\nBuildTimeLimitSec="
                "604800\nKeepGenerations=1\n"
                "KeepFinishedJobs=1\nKeepFinishedJobsSec=0\n"
                "BuildSizeLimit=1024K\nBuildFileLimit=10000000\nCacheSizeLimit=16T\nKeepFree=4097\n",
                -1, NULL));
        settings = load(f);
        g_assert_cmpuint(settings->port_first, ==, 1024);
        g_assert_cmpuint(settings->port_last, ==, 1026);
        g_assert_cmpstr(settings->listen_address, ==, "192.0.2.7");
        g_assert_cmpuint(settings->job_slots, ==, 16);
        g_assert_cmpuint(settings->max_pending_calls, ==, 1);
        g_assert_cmpuint(settings->max_log_readers, ==, 65536);
        g_assert_cmpuint(settings->max_queued_jobs, ==, 65536);
        g_assert_cmpuint(settings->build_time_limit, ==, UINT64_C(604800000000));
        g_assert_cmpuint(settings->keep_generations, ==, 1);
        g_assert_cmpuint(settings->keep_finished, ==, 1);
        g_assert_cmpuint(settings->keep_finished_age, ==, 0);
        g_assert_cmpuint(settings->build_size_limit, ==, 1024 * 1024);
        g_assert_cmpuint(settings->build_file_limit, ==, 10000000);
        g_assert_cmpuint(settings->cache_size_limit, ==, UINT64_C(16) << 40);
        g_assert_cmpuint(settings->keep_free, ==, 4097);
}

static void test_dropins(Fixture *f, gconstpointer data)
{
        g_autoptr(Settings) settings = NULL;

        g_assert_true(g_file_set_contents(f->path, "[Host]\nJobSlots=1\nKeepGenerations=3\n", -1, NULL));
        write_dropin(f, "90-z.conf", "[Host]\nJobSlots=9\n");
        write_dropin(f, "10-a.conf", "[Host]\nJobSlots=2\nListenAddress=127.0.0.1\n");
        write_dropin(f, "50-m.conf", "[Host]\nListenAddress=127.0.0.2\n");
        write_dropin(f, "99.conf.old", "nonsense");
        write_dropin(f, ".99.conf", "nonsense");
        settings = load(f);
        g_assert_cmpuint(settings->job_slots, ==, 9);
        g_assert_cmpuint(settings->keep_generations, ==, 3);
        g_assert_cmpstr(settings->listen_address, ==, "127.0.0.2");

        write_dropin(f, "20-bad.conf", "[Host]\nJobSlots=17\n");
        assert_refused(
                f, -EINVAL, "/20-bad.conf", "JobSlots=17 cannot be used: it must be a number from 1 to 16");
}

static void test_refusals(Fixture *f, gconstpointer data)
{
        static const struct {
                const char *text, *words;
        } bad[] = {
                {"[Host]\nNoSuch=1\n", "there is no setting NoSuch"},
                {"[Host]\njobslots=1\n", "there is no setting jobslots"},
                {"[Host]\nJobSlots[de]=1\n", "there is no setting JobSlots[de]"},
                {"[Hosts]\nJobSlots=1\n", "there is no group [Hosts]"},
                {"[Host]\n[Other]\n", "there is no group [Other]"},
                {"JobSlots=1\n", "could not be read"},
                {"[Host]\nJobSlots\n", "could not be read"},
                {"[Host]\nJobSlots=\n", "JobSlots="},
                {"[Host]\nJobSlots=0\n", "JobSlots=0"},
                {"[Host]\nJobSlots=-1\n", "JobSlots=-1"},
                {"[Host]\nJobSlots=0x4\n", "JobSlots=0x4"},
                {"[Host]\nJobSlots=4 slots\n", "JobSlots=4 slots"},
                {"[Host]\nJobSlots=99999999999999999999999\n", "JobSlots=999"},
                {"[Host]\nMaxPendingCallsPerUser=0\n", "from 1 to 65536"},
                {"[Host]\nMaxQueuedJobsPerUser=65537\n", "from 1 to 65536"},
                {"[Host]\nKeepGenerations=17\n", "from 1 to 16"},
                {"[Host]\nKeepGenerations=0\n", "from 1 to 16"},
                {"[Host]\nKeepFinishedJobs=0\n", "from 1 to 10000"},
                {"[Host]\nKeepFinishedJobsSec=316224001\n", "seconds from 0 to 316224000"},
                {"[Host]\nBuildSizeLimit=1023K\n", "from 1M to 16T"},
                {"[Host]\nBuildSizeLimit=17T\n", "from 1M to 16T"},
                {"[Host]\nBuildSizeLimit=20g\n", "K, M, G or T"},
                {"[Host]\nBuildSizeLimit=20GB\n", "K, M, G or T"},
                {"[Host]\nBuildSizeLimit=1.5G\n", "K, M, G or T"},
                {"[Host]\nCacheSizeLimit=G\n", "K, M, G or T"},
                {"[Host]\nCacheSizeLimit=\n", "K, M, G or T"},
                {"[Host]\nKeepFree=18446744073709551615\n", "from 0 to 16T"},
                {"[Host]\nKeepFree=18014398509481985K\n", "from 0 to 16T"},
                {"[Host]\nBuildFileLimit=10000001\n", "from 1 to 10000000"},
                {"[Host]\nBuildFileLimit=0\n", "from 1 to 10000000"},
                {"[Host]\nBuildTimeLimitSec=0\n", "seconds from 1 to 604800"},
                {"[Host]\nBuildTimeLimitSec=1h\n", "without a unit"},
                {"[Host]\nBuildTimeLimitSec=604801\n", "seconds from 1 to 604800"},
                {"[Host]\nPortRange=27015\n", "FIRST-LAST"},
                {"[Host]\nPortRange=27015-27016\n", "3 or more"},
                {"[Host]\nPortRange=27315-27015\n", "3 or more"},
                {"[Host]\nPortRange=1023-2000\n", "ports from 1024 to 65535"},
                {"[Host]\nPortRange=65533-65536\n", "ports from 1024 to 65535"},
                {"[Host]\nPortRange=27015-27020-27025\n", "FIRST-LAST"},
                {"[Host]\nPortRange=-27015-27020\n", "FIRST-LAST"},
                {"[Host]\nListenAddress=\n", "an IPv4 address"},
                {"[Host]\nListenAddress=localhost\n", "an IPv4 address"},
                {"[Host]\nListenAddress=::1\n", "an IPv4 address"},
                {"[Host]\nListenAddress=127.1\n", "an IPv4 address"},
                {"[Host]\nListenAddress=10.0.0.0/8\n", "an IPv4 address"},
                {"[Host]\nListenAddress=\xff\xfe\n", ""},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_assert_true(g_file_set_contents(f->path, bad[i].text, -1, NULL));
                assert_refused(f, -EINVAL, "/host.conf", bad[i].words);
        }
}

static void test_unreadable(Fixture *f, gconstpointer data)
{
        g_assert_cmpint(g_mkdir(f->path, 0755), ==, 0);
        assert_refused(f, -EINVAL, "/host.conf", "could not be read");
        g_assert_cmpint(g_rmdir(f->path), ==, 0);
        g_assert_cmpint(symlink("host.conf", f->path), ==, 0);
        assert_refused(f, -EIO, "/host.conf", "could not be read");
        g_assert_cmpint(g_unlink(f->path), ==, 0);
        g_assert_cmpint(g_rmdir(f->dropins), ==, 0);
        g_assert_true(g_file_set_contents(f->dropins, "", 0, NULL));
        assert_refused(f, -EIO, "/host.conf.d", "could not be read");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
#define TEST(name, function) g_test_add("/settings/" name, Fixture, NULL, set_up, function, tear_down)
        TEST("defaults", test_defaults);
        TEST("all", test_all);
        TEST("dropins", test_dropins);
        TEST("refusals", test_refusals);
        TEST("unreadable", test_unreadable);
#undef TEST
        return g_test_run();
}
