/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "object-path.h"

#include "dbus/names.h"
#include <glib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#define PATH_MAX_BYTES 255 /* no object's is as long, and the audit writes it down */

char *object_path_decode(const char *path, const char *prefix)
{
        g_autofree char *name = NULL, *again = NULL;

        if (sd_bus_path_decode(path, prefix, &name) <= 0 || !g_utf8_validate(name, -1, NULL) ||
                sd_bus_path_encode(prefix, name, &again) < 0 || !g_str_equal(path, again))
                return NULL;
        return g_steal_pointer(&name);
}

bool object_path_is_sound(const char *path)
{
        static const char *const prefixes[] = {HOST_INSTANCE_PREFIX, HOST_OVERLAY_PREFIX, HOST_JOB_PREFIX};

        if (strlen(path) > PATH_MAX_BYTES)
                return false;
        for (size_t n = 0; n < G_N_ELEMENTS(prefixes); n++)
                if (g_str_has_prefix(path, prefixes[n]) && path[strlen(prefixes[n])] == '/') {
                        g_autofree char *name = object_path_decode(path, prefixes[n]);

                        return name != NULL;
                }
        return true;
}
