/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "message-size.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define VALUE_COST 16 /* of each value and each container, besides the bytes of a string */

static int pay(size_t *left, size_t cost)
{
        if (cost > *left)
                return -E2BIG;
        *left -= cost;
        return 0;
}

static int measure_value(sd_bus_message *m, char type, size_t *left)
{
        const char *text;
        uint64_t value; /* the widest */
        int r;

        if (!strchr("sog", type))
                return sd_bus_message_read_basic(m, type, &value);
        r = sd_bus_message_read_basic(m, type, &text);
        return r < 0 ? r : pay(left, strlen(text));
}

/* All that is left in the container that the message stands in; sd-bus limits how deep they go. */
static int measure(sd_bus_message *m, size_t *left)
{
        const char *contents;
        char type;
        int r;

        while ((r = sd_bus_message_peek_type(m, &type, &contents)) > 0) {
                r = pay(left, VALUE_COST);
                if (r >= 0 && !contents)
                        r = measure_value(m, type, left);
                else if (r >= 0) {
                        r = sd_bus_message_enter_container(m, type, contents);
                        if (r >= 0)
                                r = measure(m, left);
                        if (r >= 0)
                                r = sd_bus_message_exit_container(m);
                }
                if (r < 0)
                        return r;
        }
        return r;
}

int message_check_size(sd_bus_message *m, size_t limit, size_t *ret_size)
{
        size_t left = limit;
        int r = pay(&left, strlen(sd_bus_message_get_path(m)));

        if (r >= 0)
                r = measure(m, &left);
        if (r == -E2BIG)
                return r;
        if (r < 0 || sd_bus_message_rewind(m, true) < 0)
                return -EBADMSG;
        *ret_size = limit - left;
        return 0;
}
