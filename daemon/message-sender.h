/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who sent a signal. The bus looks at the sender in the match of what it broadcasts. What somebody sends to
 * this service alone passes every match: sd-bus cannot tell which unique name owns the name in it. The bus
 * policy refuses such signals; each handler asks here all the same. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

#define SENDER_BUS   "org.freedesktop.DBus"
#define SENDER_LOCAL "org.freedesktop.DBus.Local" /* sd-bus itself */

/* `sender`: as the bus writes it into a message; NULL is nobody. */
static inline bool message_is_from(sd_bus_message *m, const char *sender)
{
        return sender && g_strcmp0(sd_bus_message_get_sender(m), sender) == 0;
}
