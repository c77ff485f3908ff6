/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines out of a log that was opened in JSON: what the service writes there, and no more of JSON than that.
 */
#include "internal.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define RECORD_MAX (1024 * 1024) /* bytes; the service's longest has some 300 KiB */
#define READ_SIZE  (64 * 1024)

struct l4h_reader {
        unsigned n_ref;
        int fd;
        char *buffer; /* what was read, from `start` to `end`; up to there all is in records that were given
                       */
        size_t size, start, end;
        char *record; /* the last one as it came, without its newline: NUL-terminated */
};

int l4h_reader_new(int fd, l4h_reader **ret)
{
        l4h_reader *reader = calloc(1, sizeof *reader);
        if (!reader)
                return -ENOMEM;
        reader->n_ref = 1;
        reader->fd = fd;
        *ret = reader;
        return 0;
}

l4h_reader *l4h_reader_ref(l4h_reader *reader)
{
        reader->n_ref++;
        return reader;
}

l4h_reader *l4h_reader_unref(l4h_reader *reader)
{
        if (!reader || --reader->n_ref > 0)
                return NULL;
        (void)close(reader->fd);
        free(reader->buffer);
        free(reader->record);
        free(reader);
        return NULL;
}

const char *l4h_reader_get_record(const l4h_reader *reader)
{
        return reader->record ? reader->record : "";
}

/* Reads a number in hexadecimal of four digits. */
static int escape_read(const char *digits, unsigned *ret)
{
        unsigned code = 0;
        for (int i = 0; i < 4; i++) {
                const char *all = "0123456789abcdef", *digit = digits[i] ? strchr(all, digits[i]) : NULL;
                if (!digit)
                        return -EBADMSG;
                code = code * 16 + (unsigned)(digit - all);
        }
        *ret = code;
        return 0;
}

/* The string that begins at `*at`, in place: it gets no longer. Moves `*at` behind it. */
static int string_read(char **at, char **ret, size_t *ret_size)
{
        if (*(*at)++ != '"')
                return -EBADMSG;
        char *from = *at, *to = *at;
        for (; *from != '"'; from++) {
                unsigned code;
                if (*from == '\0')
                        return -EBADMSG;
                if (*from != '\\') {
                        *to++ = *from;
                } else if (from[1] == '"' || from[1] == '\\') {
                        *to++ = *++from;
                } else if (from[1] == 'u' && escape_read(from + 2, &code) == 0 && code < 0x80) {
                        *to++ = (char)code;
                        from += 5;
                } else
                        return -EBADMSG;
        }
        *ret = *at;
        *ret_size = (size_t)(to - *at);
        *at = from + 1;
        return 0;
}

/* The same for bytes as an array of numbers. */
static int bytes_read(char **at, char **ret, size_t *ret_size)
{
        char *from = *at + 1, *to = from;
        *ret = to;
        do {
                char *end;
                unsigned long byte = strtoul(from, &end, 10);
                if (end == from || byte > 255 || (*end != ',' && *end != ']'))
                        return -EBADMSG;
                *to++ = (char)byte;
                from = end;
        } while (*from++ == ',');
        *ret_size = (size_t)(to - *ret);
        *at = from;
        return 0;
}

static void field_take(const char *key, char *value, size_t size, l4h_line *line)
{
        uint64_t number = strtoull(value, NULL, 10);
        if (strcmp(key, HOST_LOG_CURSOR) == 0)
                line->cursor = value;
        else if (strcmp(key, HOST_LOG_TIME) == 0 || strcmp(key, HOST_LOG_MISSED_BEFORE) == 0)
                line->time = number;
        else if (strcmp(key, HOST_LOG_PRIORITY) == 0)
                line->priority = (uint32_t)number;
        else if (strcmp(key, HOST_LOG_MESSAGE) == 0) {
                line->text = value;
                line->size = size;
        }
}

/* {"KEY":VALUE,...}; what is in it is NUL-terminated where a string's end was. */
static int record_parse(char *record, l4h_line *line)
{
        char *at = record;
        *line = (l4h_line){.cursor = ""};
        if (*at != '{')
                return -EBADMSG;
        do {
                char *key, *value;
                size_t size;
                at++;
                int r = string_read(&at, &key, &size);
                if (r < 0 || *at++ != ':')
                        return -EBADMSG;
                key[size] = '\0';
                r = *at == '[' ? bytes_read(&at, &value, &size) : string_read(&at, &value, &size);
                if (r < 0)
                        return r;
                value[size] = '\0';
                field_take(key, value, size, line);
        } while (*at == ',');
        return strcmp(at, "}") == 0 ? 0 : -EBADMSG;
}

/* Makes room, and reads. Returns: how much, 0 at the end, or negative errno. */
static ssize_t buffer_fill(l4h_reader *reader)
{
        if (reader->start > 0) {
                memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
                reader->end -= reader->start;
                reader->start = 0;
        }
        if (reader->size - reader->end < READ_SIZE) {
                if (reader->end > RECORD_MAX)
                        return -EBADMSG;
                char *grown = realloc(reader->buffer, reader->end + 2 * READ_SIZE);
                if (!grown)
                        return -ENOMEM;
                reader->buffer = grown;
                reader->size = reader->end + 2 * READ_SIZE;
        }
        ssize_t n;
        do
                n = read(reader->fd, reader->buffer + reader->end, READ_SIZE);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        reader->end += (size_t)n;
        return n;
}

int l4h_reader_next(l4h_reader *reader, l4h_line *ret)
{
        size_t looked_at = 0; /* of what is there */
        char *newline;
        for (;;) {
                char *begin = reader->buffer + reader->start;
                size_t there = reader->end - reader->start;
                newline = there > looked_at ? memchr(begin + looked_at, '\n', there - looked_at) : NULL;
                if (newline)
                        break;
                looked_at = there;
                ssize_t n = buffer_fill(reader);
                if (n <= 0)
                        return (int)n; /* the service ended in the middle of a line: it comes again */
        }
        *newline = '\0';
        char *record = reader->buffer + reader->start;
        reader->start = (size_t)(newline + 1 - reader->buffer);
        char *copy = strdup(record);
        if (!copy)
                return -ENOMEM;
        free(reader->record);
        reader->record = copy;
        int r = record_parse(record, ret);
        return r < 0 ? r : 1;
}
