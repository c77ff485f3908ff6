/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A log as it comes through the pipe, and then a line's way from the journal through the service to the
 * client, by which it must stay what it was. */
#include "client/left4me-host.h"
#include "daemon/log-format.h"
#include "fuzz.h"
#include <sys/mman.h>
#include <unistd.h>

static l4h_reader *reader_of(const void *data, size_t size)
{
        int fd = memfd_create("log", MFD_CLOEXEC);
        l4h_reader *reader;

        g_assert_cmpint(write(fd, data, size), ==, (ssize_t)size);
        g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
        g_assert_cmpint(l4h_reader_new(fd, &reader), ==, 0);
        return reader;
}

static void read_log(const uint8_t *data, size_t size)
{
        l4h_reader *reader = reader_of(data, size);
        l4h_line line;
        size_t sum = 0;

        while (l4h_reader_next(reader, &line) > 0) {
                sum += strlen(line.cursor) + strlen(l4h_reader_get_record(reader));
                for (size_t n = 0; n < line.size; n++)
                        sum += ((const uint8_t *)line.text)[n];
        }
        g_assert_cmpuint(sum, <=, 257 * size);
        l4h_reader_unref(reader);
}

static void check_line(const uint8_t *data, size_t size)
{
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autoptr(JournalLine) line =
                journal_line_new(size, 3, g_bytes_new(data, size), fuzz_text(data, size));
        l4h_line read;

        if (!g_utf8_validate(line->cursor, -1, NULL)) { /* journald's are text */
                g_free(line->cursor);
                line->cursor = g_strdup("s=1");
        }
        log_format_line(LOG_JSON, line, bytes);
        l4h_reader *reader = reader_of(bytes->data, bytes->len);
        g_assert_cmpint(l4h_reader_next(reader, &read), ==, 1);
        g_assert_cmpmem(read.text, read.size, data, size);
        g_assert_cmpstr(read.cursor, ==, line->cursor);
        g_assert_cmpuint(read.time, ==, size);
        g_assert_cmpint(l4h_reader_next(reader, &read), ==, 0);
        l4h_reader_unref(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        read_log(data, size);
        check_line(data, size);
        return 0;
}
