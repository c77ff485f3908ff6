/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the system goes down, asked of systemd itself. */
#include "ctl.h"
#include <systemd/sd-bus.h>

bool system_is_stopping(void)
{
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *state = NULL;
        if (sd_bus_open_system(&bus) < 0 ||
                sd_bus_get_property_string(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                        "org.freedesktop.systemd1.Manager", "SystemState", NULL, &state) < 0)
                return false;
        return strcmp(state, "stopping") == 0;
}
