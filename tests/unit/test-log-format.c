/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/log-format.h"
#include <string.h>

static char *format(LogFormat format, const char *text, size_t size)
{
        g_autoptr(JournalLine) line =
                journal_line_new(1234567890123456, 3, g_bytes_new(text, size), g_strdup("s=1;i=\"2\""));
        GByteArray *bytes = g_byte_array_new();

        log_format_line(format, line, bytes);
        g_byte_array_append(bytes, (const guint8 *)"", 1);
        return (char *)g_byte_array_free(bytes, FALSE);
}

static void assert_message(const char *text, size_t size, const char *expected)
{
        g_autofree char *found = format(LOG_JSON, text, size);
        g_autofree char *wanted =
                g_strdup_printf("{\"__CURSOR\":\"s=1;i=\\\"2\\\"\",\"__REALTIME_TIMESTAMP\":"
                                "\"1234567890123456\",\"PRIORITY\":\"3\",\"MESSAGE\":%s}\n",
                        expected);

        g_assert_cmpstr(found, ==, wanted);
}

static void test_json(void)
{
        assert_message("", 0, "\"\"");
        assert_message("a \"b\" \\ /", 9, "\"a \\\"b\\\" \\\\ /\"");
        assert_message("\033[1m\t\n\177", 7, "\"\\u001b[1m\\u0009\\u000a\\u007f\"");
        assert_message("caf\xc3\xa9 \xf0\x9f\x8e\xae", 10, "\"caf\xc3\xa9 \xf0\x9f\x8e\xae\"");
        assert_message("caf\xe9", 4, "[99,97,102,233]");
        assert_message("\xff", 1, "[255]");
        assert_message("\xed\xa0\x80", 3, "[237,160,128]"); /* half of a pair of UTF-16 */
}

static void test_cat(void)
{
        g_autofree char *found = format(LOG_CAT, "caf\xe9 \"\033", 7);

        g_assert_cmpstr(found, ==, "caf\xe9 \"\033\n");
}

static void test_gap(void)
{
        g_autoptr(GByteArray) bytes = g_byte_array_new();

        log_format_gap(LOG_CAT, 1, 2, bytes);
        g_assert_cmpuint(bytes->len, ==, 0);
        log_format_gap(LOG_JSON, 1, 2, bytes);
        g_assert_cmpmem(bytes->data, bytes->len, "{\"MISSED_AFTER\":\"1\",\"MISSED_BEFORE\":\"2\"}\n", 41);
}

static void test_names(void)
{
        LogFormat form;

        g_assert_true(log_format_parse("cat", &form) && form == LOG_CAT);
        g_assert_true(log_format_parse("json", &form) && form == LOG_JSON);
        g_assert_false(log_format_parse("short", &form) || log_format_parse("", &form));
}

int main(int argc, char *argv[])
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/log-format/json", test_json);
        g_test_add_func("/log-format/cat", test_cat);
        g_test_add_func("/log-format/gap", test_gap);
        g_test_add_func("/log-format/names", test_names);
        return g_test_run();
}
