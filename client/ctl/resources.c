/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a server takes of the machine, as systemd counts it. */
#include "status.h"
#include <systemd/sd-bus.h>

/* Returns: the number, or UINT64_MAX where systemd has none. */
static uint64_t property_read(sd_bus *bus, const char *path, const char *name)
{
        uint64_t value = UINT64_MAX;
        if (sd_bus_get_property_trivial(bus, "org.freedesktop.systemd1", path,
                    "org.freedesktop.systemd1.Service", name, NULL, 't', &value) < 0)
                return UINT64_MAX;
        return value;
}

static void memory_print(sd_bus *bus, const char *path)
{
        uint64_t now = property_read(bus, path, "MemoryCurrent"), max = property_read(bus, path, "MemoryMax");
        if (now == UINT64_MAX)
                return;
        _cleanup_free_ char *used = format_size(now), *limit = format_size(max);
        print_field("Memory", max == UINT64_MAX ? format("%s", used) : format("%s (max: %s)", used, limit));
}

static void cpu_print(sd_bus *bus, const char *path)
{
        uint64_t nsec = property_read(bus, path, "CPUUsageNSec");
        if (nsec == UINT64_MAX)
                return;
        uint64_t ms = nsec / 1000000, min = ms / 60000;
        print_field("CPU", min > 0 ? format("%" PRIu64 "min %" PRIu64 "s", min, ms / 1000 % 60)
                                   : format("%" PRIu64 ".%03" PRIu64 "s", ms / 1000, ms % 1000));
}

void resources_print(Ctl *ctl, const char *unit)
{
        _cleanup_free_ char *path = NULL;
        sd_bus *bus = ctl_systemd(ctl);
        if (!bus || sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path) < 0)
                return;
        memory_print(bus, path);
        cpu_print(bus, path);
}
