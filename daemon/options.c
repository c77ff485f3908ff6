/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"
#include "error.h"
#include "validate.h"

#include "dbus/names.h"
#include <stdbool.h>
#include <string.h>

#define ON_BEHALF_OF_MAX 256 /* bytes */

static const Option *option_find(const Option *options, const char *name)
{
        static const Option on_behalf_of = {HOST_OPTION_ON_BEHALF_OF, "s", NULL};

        for (; options->name; options++)
                if (g_str_equal(options->name, name))
                        return options;
        return g_str_equal(name, on_behalf_of.name) ? &on_behalf_of : NULL;
}

static gboolean malformed(GError **error)
{
        g_set_error_literal(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING, "The options cannot be read");
        return FALSE;
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
                return sd_bus_message_skip(m, "v") >= 0 || malformed(error);
        if (sd_bus_message_enter_container(m, 'v', option->type) < 0)
                return malformed(error);
        if (!option->read(m, target, error))
                return FALSE;
        return sd_bus_message_exit_container(m) >= 0 || malformed(error);
}

gboolean options_read(sd_bus_message *m, const Option *options, void *target, GError **error)
{
        g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

        if (sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
                return malformed(error);
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                const Option *option;
                const char *name;

                if (sd_bus_message_read(m, "s", &name) < 0)
                        return malformed(error);
                option = option_find(options, name);
                if (!option) {
                        g_autofree char *shown = name_show(name);

                        g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                                "There is no option \"%s\" for %s", shown, sd_bus_message_get_member(m));
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
                        return malformed(error);
        }
        return TRUE;
}

/* The message stands at the option's variant. */
static gboolean read_line(sd_bus_message *m, char **text, GError **error)
{
        const char *type, *line;
        char container;

        if (sd_bus_message_peek_type(m, &container, &type) <= 0 || !g_str_equal(type, "s") ||
                sd_bus_message_read(m, "v", "s", &line) < 0 || strlen(line) > ON_BEHALF_OF_MAX ||
                text_find_control(line)) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                        "The option \"" HOST_OPTION_ON_BEHALF_OF
                        "\" must be of type \"s\", one line of at most %d bytes",
                        ON_BEHALF_OF_MAX);
                return FALSE;
        }
        g_free(*text);
        *text = g_strdup(line);
        return TRUE;
}

gboolean options_read_on_behalf_of(sd_bus_message *m, const char *signature, char **ret_text, GError **error)
{
        g_autofree char *before = g_strndup(signature, strlen(signature) - strlen("a{sv}"));
        g_autofree char *text = NULL;
        int r = *before ? sd_bus_message_skip(m, before) : 0;

        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *key;

                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0 && g_str_equal(key, HOST_OPTION_ON_BEHALF_OF)) {
                        if (!read_line(m, &text, error))
                                return FALSE;
                } else if (r >= 0)
                        r = sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        if (r < 0 || sd_bus_message_rewind(m, true) < 0)
                return malformed(error);
        *ret_text = g_steal_pointer(&text);
        return TRUE;
}

gboolean options_read_none(sd_bus_message *m, GError **error)
{
        return options_read(m, (const Option[]){{}}, NULL, error);
}
