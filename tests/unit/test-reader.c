/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "left4me-host.h"
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

/* Returns: a reader of what is written to `*ret_fd`, which does not wait. */
static l4h_reader *reader_of_pipe(int *ret_fd)
{
        l4h_reader *reader;
        int ends[2];

        g_assert_cmpint(pipe2(ends, O_CLOEXEC | O_NONBLOCK), ==, 0);
        g_assert_cmpint(l4h_reader_new(ends[0], &reader), ==, 0);
        *ret_fd = ends[1];
        return reader;
}

static void say(int fd, const char *text)
{
        g_assert_cmpint(write(fd, text, strlen(text)), ==, strlen(text));
}

static void assert_line(l4h_reader *reader, const char *text, size_t size, uint64_t time, uint32_t priority)
{
        l4h_line line;

        g_assert_cmpint(l4h_reader_next(reader, &line), ==, 1);
        g_assert_cmpmem(line.text, line.size, text, size);
        g_assert_cmpuint(line.time, ==, time);
        g_assert_cmpuint(line.priority, ==, priority);
}

static void test_lines(void)
{
        static const char first[] =
                "{\"__CURSOR\":\"s=1;i=2\",\"__REALTIME_TIMESTAMP\":\"12\",\"PRIORITY\":\"3\",\"MESSAGE\":"
                "\"a \\\"b\\\" \\\\ \\u001b[1m\"}";
        int fd;
        l4h_reader *reader = reader_of_pipe(&fd);
        l4h_line line;

        g_assert_cmpint(l4h_reader_next(reader, &line), ==, -EAGAIN);
        say(fd, first);
        g_assert_cmpint(l4h_reader_next(reader, &line), ==, -EAGAIN);
        say(fd, "\n{\"MESSAGE\":[99,233,0,255],\"NEW\":\"later\",\"__CURSOR\":\"c\"}\n{\"MESSAGE\":\"\"}\n");
        assert_line(reader, "a \"b\" \\ \033[1m", 12, 12, 3);
        g_assert_cmpstr(l4h_reader_get_record(reader), ==, first);
        assert_line(reader, "c\xe9\0\xff", 4, 0, 0);
        assert_line(reader, "", 0, 0, 0);
        say(fd, "{\"MISSED_AFTER\":\"5\",\"MISSED_BEFORE\":\"7\"}\n{\"MESSAGE\":\"half");
        close(fd);
        g_assert_cmpint(l4h_reader_next(reader, &line), ==, 1);
        g_assert_true(!line.text && line.time == 7 && *line.cursor == '\0');
        g_assert_cmpint(l4h_reader_next(reader, &line), ==, 0);
        l4h_reader_unref(reader);
}

static void test_long_lines(void)
{
        int fd;
        l4h_reader *reader = reader_of_pipe(&fd);
        g_autofree char *text = g_strnfill(40000, 'x');
        g_autofree char *record = g_strdup_printf("{\"MESSAGE\":\"%s\"}\n", text);

        for (unsigned n = 0; n < 100; n++) {
                say(fd, record);
                assert_line(reader, text, 40000, 0, 0);
        }
        close(fd);
        l4h_reader_unref(reader);
}

static void test_what_is_no_record(void)
{
        static const char *const wrong[] = {"", "x", "{", "{}", "[]", "{\"MESSAGE\"}", "{\"MESSAGE\":}",
                "{\"MESSAGE\":\"a}", "{\"MESSAGE\":\"a\"", "{\"MESSAGE\":\"a\"}}", "{\"MESSAGE\":\"\\x\"}",
                "{\"MESSAGE\":\"\\u00\"}", "{\"MESSAGE\":\"\\u0", "{\"MESSAGE\":\"\\", "{\"MESSAGE\":[256]}",
                "{\"MESSAGE\":[1,]}", "{\"MESSAGE\":[", "{\"MESSAGE\":[1", "{\"MESSAGE\":7}", "{\"A\":\"b\",",
                "{\"A\":\"b\",}"};

        for (size_t n = 0; n < G_N_ELEMENTS(wrong); n++) {
                int fd;
                l4h_reader *reader = reader_of_pipe(&fd);
                g_autofree char *line = g_strconcat(wrong[n], "\n", NULL);
                l4h_line ignored;

                g_test_message("%s", wrong[n]);
                say(fd, line);
                g_assert_cmpint(l4h_reader_next(reader, &ignored), ==, -EBADMSG);
                close(fd);
                l4h_reader_unref(reader);
        }
}

int main(int argc, char *argv[])
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/reader/lines", test_lines);
        g_test_add_func("/reader/long-lines", test_long_lines);
        g_test_add_func("/reader/what-is-no-record", test_what_is_no_record);
        return g_test_run();
}
