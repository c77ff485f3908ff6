/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/progress.h"

#include <string.h>

static void assert_number(const char *line, double expected)
{
        double number = -1;
        char *text = NULL;

        g_assert_cmpint(progress_parse(line, strlen(line), &number, &text), ==, PROGRESS_NUMBER);
        g_assert_cmpfloat_with_epsilon(number, expected, 1e-9);
        g_assert_null(text);
}

static void assert_text(const char *line, size_t size, const char *expected)
{
        double number = -1;
        g_autofree char *text = NULL;

        g_assert_cmpint(progress_parse(line, size, &number, &text), ==, PROGRESS_TEXT);
        g_assert_cmpstr(text, ==, expected);
        g_assert_cmpfloat(number, ==, -1);
        g_assert_true(g_utf8_validate(text, -1, NULL));
        g_assert_cmpuint(strlen(text), <=, 256);
}

static void assert_log(const char *line, size_t size)
{
        double number = -1;
        char *text = NULL;

        g_assert_cmpint(progress_parse(line, size, &number, &text), ==, PROGRESS_NONE);
        g_assert_null(text);
        g_assert_cmpfloat(number, ==, -1);
}

static void test_numbers(void)
{
        assert_number("X_PROGRESS=0%", 0);
        assert_number("X_PROGRESS=37%", 0.37);
        assert_number("X_PROGRESS=37.25%", 0.3725);
        assert_number("X_PROGRESS=100%", 1);
        assert_number("X_PROGRESS=100.0%", 1);
        assert_number("X_PROGRESS=007%", 0.07);
}

static void test_what_is_no_number(void)
{
        static const char *const lines[] = {"X_PROGRESS=", "X_PROGRESS=%", "X_PROGRESS=37", "X_PROGRESS=101%",
                "X_PROGRESS=100.1%", "X_PROGRESS=-1%", "X_PROGRESS=+1%", "X_PROGRESS=1e1%", "X_PROGRESS=0x1%",
                "X_PROGRESS=nan%", "X_PROGRESS=inf%", "X_PROGRESS=.5%", "X_PROGRESS=5.%", "X_PROGRESS=5,5%",
                "X_PROGRESS=1.2.3%", "X_PROGRESS= 5%", "X_PROGRESS=5% ", "X_PROGRESS=5%%", " X_PROGRESS=5%",
                "x_progress=5%", "PROGRESS=5%", "X_PROGRESS=00000000000000005%", "X_PROGRESS", ""};

        for (size_t n = 0; n < G_N_ELEMENTS(lines); n++)
                assert_log(lines[n], strlen(lines[n]));
        assert_log("X_PROGRESS=5\0%", 14);
        assert_log("X_PROGRESS=5%", 12); /* the line ends before the sign */
}

static void test_texts(void)
{
#define TEXT_LINE(line) (line), sizeof(line) - 1
        assert_text(TEXT_LINE("STATUS=Fetching c1m1_hotel.vpk"), "Fetching c1m1_hotel.vpk");
        assert_text(TEXT_LINE("STATUS="), "");
        assert_text(TEXT_LINE("STATUS= X_PROGRESS=5%"), " X_PROGRESS=5%");
        assert_text(TEXT_LINE("STATUS=Überlänge"), "Überlänge");
        assert_log("status=x", 8);
        assert_log(" STATUS=x", 9);
        assert_log("STATUS", 6);
}

static void test_hostile_texts(void)
{
        char line[7 + 1000] = "STATUS=", expected[257] = "";

        assert_text(TEXT_LINE("STATUS=\033[31mred\r\t"), "\uFFFD[31mred\uFFFD\uFFFD");
        assert_text(TEXT_LINE("STATUS=a\0b"), "a\uFFFDb");
        assert_text(TEXT_LINE("STATUS=a\xff\xc3"), "a\uFFFD\uFFFD");
        assert_text(TEXT_LINE("STATUS=\xc2\x9b"
                              "31m"),
                "\uFFFD31m");
        assert_text(TEXT_LINE("STATUS=\u202Egnp.exe"), "\uFFFDgnp.exe");     /* would be written backwards */
        assert_text(TEXT_LINE("STATUS=a\u2028b\u2029c"), "a\uFFFDb\uFFFDc"); /* a text is one line */

        memset(line + 7, 'x', 1000);
        memset(expected, 'x', 256);
        assert_text(line, sizeof(line), expected);
        /* Nothing is cut in two, and what is replaced counts as long as it is then. */
        memcpy(line + 7 + 255, "\u00e4", 2);
        expected[255] = '\0';
        assert_text(line, sizeof(line), expected);
        memset(line + 7, 0xff, 1000);
        for (size_t n = 0; n < 255; n += 3)
                memcpy(expected + n, "\uFFFD", 3);
        assert_text(line, sizeof(line), expected);
}

int main(int argc, char *argv[])
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/progress/numbers", test_numbers);
        g_test_add_func("/progress/no-number", test_what_is_no_number);
        g_test_add_func("/progress/texts", test_texts);
        g_test_add_func("/progress/hostile-texts", test_hostile_texts);
        return g_test_run();
}
