/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The path of the object that a call is for, below the prefix of instances where it has no other. */
#include "daemon/object-path.h"
#include "dbus/names.h"
#include "fuzz.h"
#include <systemd/sd-bus.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autofree char *text = fuzz_text(data, size), *again = NULL;
        g_autofree char *path =
                *text == '/' ? g_strdup(text) : g_strconcat(HOST_INSTANCE_PREFIX "/", text, NULL);

        if (!sd_bus_object_path_is_valid(path)) /* the bus takes no other */
                return 0;
        g_autofree char *name = object_path_decode(path, HOST_INSTANCE_PREFIX);
        bool is_sound = object_path_is_sound(path);
        if (name) {
                g_assert_true(g_utf8_validate(name, -1, NULL));
                g_assert_cmpint(sd_bus_path_encode(HOST_INSTANCE_PREFIX, name, &again), >=, 0);
                g_assert_cmpstr(again, ==, path);
        }
        if (g_str_has_prefix(path, HOST_INSTANCE_PREFIX "/") && is_sound)
                g_assert_nonnull(name);
        return 0;
}
