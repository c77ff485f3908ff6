/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The a{sv} at the end of each call that changes something: keys are spelled and typed like the property that
 * shows them, and an unknown key, one of the wrong type or one given twice is refused by name. */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

typedef struct Option {
        const char *name;
        const char *type;
        /* The message stands at the value, inside its variant. Returns: FALSE with
         * HOST_ERROR_INVALID_SETTING. */
        gboolean (*read)(sd_bus_message *m, void *target, GError **error);
} Option;

/* Reads the dictionary the message stands at. `options` ends with a NULL name; OnBehalfOf is known to every
 * call, and read by the gate. Returns: FALSE with HOST_ERROR_INVALID_SETTING. */
gboolean options_read(sd_bus_message *m, const Option *options, void *target, GError **error);

/* Looks for OnBehalfOf alone, in the dictionary that ends arguments of this signature, and rewinds: the gate
 * has it in the audit's first entry. Writes NULL when it is not given. Returns: FALSE with
 * HOST_ERROR_INVALID_SETTING when it is no proper text. */
gboolean options_read_on_behalf_of(sd_bus_message *m, const char *signature, char **ret_text, GError **error);

/* For calls that know no key but OnBehalfOf. */
gboolean options_read_none(sd_bus_message *m, GError **error);
