/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"
#include "error.h"

#include "dbus/names.h"
#include <string.h>

static const Option *option_find(const Option *options, const char *name)
{
        static const Option on_behalf_of = {HOST_OPTION_ON_BEHALF_OF, "s", NULL};

        for (; options->name; options++)
                if (g_str_equal(options->name, name))
                        return options;
        return g_str_equal(name, on_behalf_of.name) ? &on_behalf_of : NULL;
}

static gboolean option_read(sd_bus_message *m, const Option *option, void *target, GError **error)
{
        const char *type;
        char container;

        if (sd_bus_message_peek_type(m, &container, &type) <= 0 || !g_str_equal(type, option->type)) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                        "The option \"%s\" must be of type \"%s\"", option->name, option->type);
                return FALSE;
        }
        if (!option->read)
                return sd_bus_message_skip(m, "v") >= 0;
        return sd_bus_message_enter_container(m, 'v', option->type) >= 0 && option->read(m, target, error) &&
               sd_bus_message_exit_container(m) >= 0;
}

gboolean options_read(sd_bus_message *m, const Option *options, void *target, GError **error)
{
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

        if (sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
                goto malformed;
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                const Option *option;
                const char *name;

                if (sd_bus_message_read(m, "s", &name) < 0)
                        goto malformed;
                option = option_find(options, name);
                if (!option) {
                        g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                                "There is no option \"%.64s\" for %s", name, sd_bus_message_get_member(m));
                        return FALSE;
                }
                if (!g_hash_table_add(seen, (gpointer)option->name)) {
                        g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                                "The option \"%s\" is given twice; give it once", name);
                        return FALSE;
                }
                if (!option_read(m, option, target, error))
                        return FALSE;
                if (sd_bus_message_exit_container(m) < 0)
                        goto malformed;
        }
        return TRUE;

malformed:
        g_set_error_literal(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING, "The options cannot be read");
        return FALSE;
}

gboolean options_read_none(sd_bus_message *m, GError **error)
{
        return options_read(m, (const Option[]){{}}, NULL, error);
}
