/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a log is opened, and how. */
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct l4h_log_options {
        unsigned n_ref;
        bool is_json, follows, has_since, has_until, has_lines, has_priority;
        uint64_t since, until;
        uint32_t lines, priority;
        char *cursor;
};

int l4h_log_options_new(l4h_log_options **ret)
{
        l4h_log_options *options = calloc(1, sizeof *options);
        if (!options)
                return -ENOMEM;
        options->n_ref = 1;
        *ret = options;
        return 0;
}

l4h_log_options *l4h_log_options_ref(l4h_log_options *options)
{
        options->n_ref++;
        return options;
}

l4h_log_options *l4h_log_options_unref(l4h_log_options *options)
{
        if (!options || --options->n_ref > 0)
                return NULL;
        free(options->cursor);
        free(options);
        return NULL;
}

void l4h_log_options_set_json(l4h_log_options *options, bool is_json)
{
        options->is_json = is_json;
}

void l4h_log_options_set_follow(l4h_log_options *options, bool follows)
{
        options->follows = follows;
}

#define DEFINE_SETTER(member, type)                                                                          \
        void l4h_log_options_set_##member(l4h_log_options *options, type member)                             \
        {                                                                                                    \
                options->member = member;                                                                    \
                options->has_##member = true;                                                                \
        }
DEFINE_SETTER(since, uint64_t)
DEFINE_SETTER(until, uint64_t)
DEFINE_SETTER(lines, uint32_t)
DEFINE_SETTER(priority, uint32_t)

int l4h_log_options_set_cursor(l4h_log_options *options, const char *cursor)
{
        char *copy = strdup(cursor);
        if (!copy)
                return -ENOMEM;
        free(options->cursor);
        options->cursor = copy;
        return 0;
}

int log_options_append(const l4h_log_options *options, sd_bus_message *m)
{
        int r = 0;
        if (options->is_json)
                r = sd_bus_message_append(m, "{sv}", HOST_OPTION_FORMAT, "s", HOST_LOG_JSON);
        if (r >= 0 && options->follows)
                r = sd_bus_message_append(m, "{sv}", HOST_OPTION_FOLLOW, "b", 1);
        if (r >= 0 && options->has_since)
                r = sd_bus_message_append(m, "{sv}", HOST_OPTION_SINCE, "t", options->since);
        if (r >= 0 && options->has_until)
                r = sd_bus_message_append(m, "{sv}", HOST_OPTION_UNTIL, "t", options->until);
        if (r >= 0 && options->has_lines)
                r = sd_bus_message_append(m, "{sv}", HOST_OPTION_LINES, "u", options->lines);
        if (r >= 0 && options->has_priority)
                r = sd_bus_message_append(m, "{sv}", HOST_OPTION_PRIORITY, "u", options->priority);
        if (r >= 0 && options->cursor)
                r = sd_bus_message_append(m, "{sv}", HOST_OPTION_CURSOR, "s", options->cursor);
        return r;
}

static int pipe_read(sd_bus_message *m, void *value)
{
        int fd;
        int r = sd_bus_message_read(m, "h", &fd);
        if (r < 0)
                return r;
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* the message closes its own */
        if (fd < 0)
                return -errno;
        *(int *)value = fd;
        return 0;
}

static void pipe_done(void *value)
{
        (void)close(*(int *)value);
}

DEFINE_ANSWER(pipe, int, pipe_read, pipe_done)
