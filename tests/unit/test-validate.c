/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/error.h"
#include "daemon/validate.h"
#include <glib/gstdio.h>
#include <string.h>

static void assert_refused(gboolean valid, GError *error, HostError code, const char *words)
{
        g_assert_false(valid);
        g_assert_error(error, HOST_ERROR, (int)code);
        if (!strstr(error->message, words))
                g_error("\"%s\" does not say \"%s\"", error->message, words);
}

static void test_name(void)
{
        static const char *const good[] = {
                "a", "0", "a-b_c", "9-", "abcdefghijklmnopqrstuvwxyz012345", "game"};
        static const char *const bad[] = {"", "-a", "_a", "A", "aB", "a b", "a/b", "..", "a.b", "a@b", "a\n",
                "é", "abcdefghijklmnopqrstuvwxyz0123456", "\xff"};

        for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
                g_autoptr(GError) error = NULL;
                g_assert_true(validate_name("instance", good[i], &error));
                g_assert_no_error(error);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(GError) error = NULL;
                gboolean valid = validate_name("overlay", bad[i], &error);
                assert_refused(valid, error, HOST_ERROR_INVALID_NAME, "is no name for an overlay");
                g_assert_true(g_str_is_ascii(error->message));
                g_assert_null(strchr(error->message, '\n'));
        }
}

static gboolean check_line(const char *line, GError **error)
{
        g_auto(GStrv) arguments = g_strsplit(line, " ", -1);
        return validate_arguments(arguments, error);
}

static void test_arguments(void)
{
        static const char *const good[] = {"+map c1m1_hotel", "+exec server.cfg +sv_tags a,b-c_d",
                "-tickrate 60", "+sv_search_key=x:y/z@{1}~^!#", "+map port ip password", "+hostname ip",
                "-heapsize 512000", "+exec password.cfg", "+set sv_pure 0", "+ -", "-insecure"};
        static const struct {
                const char *line, *words;
        } bad[] = {
                {"-port 27015", "Argument 1 sets \"port\""},
                {"+map x -PORT=1", "Argument 3 sets \"port\""},
                {"+port 1", "Configure with Port"},
                {"--port 1", "\"port\""},
                {"-hostport 1", "\"hostport\""},
                {"+hostport 1", "\"hostport\""},
                {"+tv_port=1", "\"tv_port\""},
                {"+clientport 1", "\"clientport\""},
                {"-steamport 1", "\"steamport\""},
                {"-netconport 1", "\"netconport\""},
                {"-ip 1.2.3.4", "ListenAddress in host.conf"},
                {"+IP 1.2.3.4", "\"ip\""},
                {"+set net_port 1", "Argument 2 sets \"net_port\""},
                {"+seta net_ip 1", "\"net_ip\""},
                {"-game garrysmod", "left4dead2"},
                {"-norestart", "systemd restarts"},
                {"-strictportbind", "always given"},
                {"+rcon_password hunter2", "use SetConfig"},
                {"+sv_password=hunter2", "use SetConfig"},
                {"+rconPassword hunter2", "use SetConfig"},
                {"+set rconPassword hunter2", "Argument 2 sets the secret"},
                {"-netconpassword hunter2", "use SetConfig"},
                {"+TV_PASSWORD hunter2", "use SetConfig"},
                {"+sv_setsteamaccount hunter2", "use SetConfig"},
        };

        g_assert_true(validate_arguments((char *const[]){NULL}, NULL));
        for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
                g_autoptr(GError) error = NULL;
                check_line(good[i], &error);
                g_assert_no_error(error);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(GError) error = NULL;
                gboolean valid = check_line(bad[i].line, &error);
                assert_refused(valid, error, HOST_ERROR_INVALID_SETTING, bad[i].words);
                g_assert_null(strstr(error->message, "hunter2"));
        }
}

static void test_characters(void)
{
        const char *allowed = "!#+,-./:=@]^_{}~"
                              "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

        for (unsigned byte = 1; byte < 256; byte++) {
                char text[] = {'+', 'x', 0, 'y', (char)byte, 'z', 0};
                g_autoptr(GError) error = NULL;
                gboolean valid = validate_arguments((char *const[]){text, text + 3, NULL}, &error);

                if (strchr(allowed, (int)byte))
                        g_assert_no_error(error);
                else
                        assert_refused(valid, error, HOST_ERROR_INVALID_SETTING, "Argument 2 has ");
        }
}

static void test_limits(void)
{
        g_autofree char *longest = g_strnfill(256, 'a'), *longer = g_strnfill(257, 'a');
        char *many[66] = {NULL}, a[] = "a", map[] = "+map", nothing[] = "";
        struct {
                char *arguments[10];
                const char *words;
        } bad[] = {
                {{longer}, "Argument 1 has 257 bytes"},
                {{map, nothing}, "Argument 2 is empty"},
                {{longest, longest, longest, longest, longest, longest, longest, longest, a},
                        "more than 2048 bytes"},
        };
        g_autoptr(GError) error = NULL;
        gboolean valid;

        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(GError) e = NULL;

                valid = validate_arguments(bad[i].arguments, &e);
                assert_refused(valid, e, HOST_ERROR_INVALID_SETTING, bad[i].words);
        }
        bad[2].arguments[8] = NULL;
        g_assert_true(validate_arguments(bad[2].arguments, NULL));
        for (unsigned i = 0; i < 64; i++)
                many[i] = a;
        g_assert_true(validate_arguments(many, NULL));
        many[64] = a;
        valid = validate_arguments(many, &error);
        assert_refused(valid, error, HOST_ERROR_INVALID_SETTING, "more than 64");
}

/* What is accepted reaches the other end of a shell's unquoted expansion as it was, whatever files lie about.
 */
static void test_through_shell(void)
{
        const char *command = "cd \"$1\" && shift && arguments=\"$*\" && printf '%s\\n' $arguments";
        g_autofree char *directory = g_dir_make_tmp("test-validate-XXXXXX", NULL);
        g_autofree char *file = g_build_filename(directory, "xyz", NULL), *out = NULL, *expected = NULL;
        g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GError) error = NULL;
        char **arguments;

        g_assert_true(g_file_set_contents(file, "", 0, NULL));
        for (size_t i = 0; i < 5; i++)
                g_ptr_array_add(argv, g_strdup(((const char *[]){"sh", "-c", command, "sh", directory})[i]));
        for (char c = '!'; c <= '~'; c++) {
                char text[] = {c, 'x', c, 'z', c, 0};
                if (validate_arguments((char *const[]){text, NULL}, NULL))
                        g_ptr_array_add(argv, g_strdup(text));
        }
        g_assert_cmpuint(argv->len, >, 64 + 5);
        g_ptr_array_add(argv, NULL);
        arguments = (char **)argv->pdata;
        g_assert_true(g_spawn_sync(
                NULL, arguments, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, NULL, NULL, &error));
        g_assert_no_error(error);
        expected = g_strjoinv("\n", arguments + 5);
        g_strchomp(out);
        g_assert_cmpstr(out, ==, expected);
        g_assert_cmpint(g_unlink(file), ==, 0);
        g_assert_cmpint(g_rmdir(directory), ==, 0);
}

static void test_description(void)
{
        static const char *const bad[] = {
                "a\nb", "a\tb", "\x1b[31m", "a\x7f", "\xff", "\xc2\x85", "\xe2\x80\xa8"};
        g_autofree char *longest = g_strnfill(256, 'a'), *longer = g_strnfill(257, 'a');
        g_autoptr(GError) error = NULL;
        gboolean valid;

        g_assert_true(validate_description("", NULL));
        g_assert_true(validate_description("Versus „eins“, 100 % (für alle)", NULL));
        g_assert_true(validate_description(longest, NULL));
        valid = validate_description(longer, &error);
        assert_refused(valid, error, HOST_ERROR_INVALID_SETTING, "257 bytes");
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(GError) e = NULL;

                valid = validate_description(bad[i], &e);
                assert_refused(valid, e, HOST_ERROR_INVALID_SETTING, "The description ");
        }
}

static void test_text(void)
{
        g_autoptr(GError) error = NULL;
        gboolean valid;

        g_assert_true(validate_text("script", "", 0, NULL));
        g_assert_true(validate_text("script", "#!/bin/sh\n", 10, NULL));
        valid = validate_text("script", "#!/bin/sh\n\n", 10, &error);
        assert_refused(valid, error, HOST_ERROR_INVALID_SETTING, "The script has 11 bytes: at most 10");
}

static void test_vpk_name(void)
{
        static const char *const bad[] = {"", ".vpk", "map.zip", "map.vpk ", "map.VPK", "a/b.vpk", "../b.vpk",
                "ä.vpk", "a\n.vpk", "a\x7f.vpk"};
        g_autofree char *stem = g_strnfill(251, 'a');
        g_autofree char *longest = g_strconcat(stem, ".vpk", NULL), *longer = g_strconcat("a", longest, NULL);
        g_autoptr(GError) error = NULL;
        gboolean valid;

        g_assert_true(validate_vpk_name("a.vpk", NULL));
        g_assert_true(validate_vpk_name("..vpk", NULL));
        g_assert_true(validate_vpk_name("My map (v2) ~!.vpk", NULL));
        g_assert_true(validate_vpk_name(longest, NULL));
        valid = validate_vpk_name(longer, &error);
        assert_refused(valid, error, HOST_ERROR_INVALID_SETTING, "FileName ");
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(GError) e = NULL;

                valid = validate_vpk_name(bad[i], &e);
                assert_refused(valid, e, HOST_ERROR_INVALID_SETTING, "FileName ");
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/validate/name", test_name);
        g_test_add_func("/validate/arguments", test_arguments);
        g_test_add_func("/validate/characters", test_characters);
        g_test_add_func("/validate/limits", test_limits);
        g_test_add_func("/validate/through-shell", test_through_shell);
        g_test_add_func("/validate/description", test_description);
        g_test_add_func("/validate/text", test_text);
        g_test_add_func("/validate/vpk-name", test_vpk_name);
        return g_test_run();
}
