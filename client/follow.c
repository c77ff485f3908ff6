/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a slot hears of the service: what its objects say, that it went or came, that the bus is lost. */
#include "internal.h"
#include <errno.h>
#include <stdio.h>

int slot_follow(l4h_slot *slot, const char *objects, sd_bus_message_handler_t on_signal,
        sd_bus_message_handler_t on_owner, sd_bus_message_handler_t on_lost)
{
        sd_bus *bus = slot->host->bus;
        _cleanup_free_ char *rule = NULL;
        if (asprintf(&rule, "type='signal',sender='" HOST_BUS_NAME "',%s", objects) < 0)
                return -ENOMEM;
        int r = sd_bus_add_match_async(bus, &slot->bus_slots[0], rule, on_signal, NULL, slot);
        if (r >= 0)
                r = sd_bus_add_match_async(bus, &slot->bus_slots[1],
                        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                        "member='NameOwnerChanged',arg0='" HOST_BUS_NAME "'",
                        on_owner, NULL, slot);
        if (r >= 0)
                r = sd_bus_match_signal_async(bus, &slot->bus_slots[2], "org.freedesktop.DBus.Local",
                        "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local", "Disconnected", on_lost,
                        NULL, slot);
        return r;
}
