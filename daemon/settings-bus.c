/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings-bus.h"
#include "object-path.h"
#include "options.h"

#include "dbus/names.h"
#include <stdlib.h>

static gboolean unreadable(GError **error, const char *name)
{
        g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING, "The option \"%s\" cannot be read", name);
        return FALSE;
}

static gboolean read_instance_description(sd_bus_message *m, void *target, GError **error)
{
        InstanceSettings *s = target;
        const char *text;

        if (sd_bus_message_read(m, "s", &text) < 0)
                return unreadable(error, "Description");
        s->description = g_strdup(text);
        return s->has_description = TRUE;
}

static gboolean read_port(sd_bus_message *m, void *target, GError **error)
{
        InstanceSettings *s = target;

        if (sd_bus_message_read(m, "q", &s->port) < 0)
                return unreadable(error, "Port");
        if (s->port == 0) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                        "Port 0 is no port; leave Port out to be given one");
                return FALSE;
        }
        return s->has_port = TRUE;
}

static gboolean read_arguments(sd_bus_message *m, void *target, GError **error)
{
        InstanceSettings *s = target;
        g_autoptr(GStrvBuilder) arguments = g_strv_builder_new();
        const char *argument;

        if (sd_bus_message_enter_container(m, 'a', "s") < 0)
                return unreadable(error, "Arguments");
        while (sd_bus_message_read(m, "s", &argument) > 0)
                g_strv_builder_add(arguments, argument);
        s->arguments = g_strv_builder_end(arguments);
        s->has_arguments = TRUE;
        return sd_bus_message_exit_container(m) >= 0;
}

static gboolean read_overlays(sd_bus_message *m, void *target, GError **error)
{
        InstanceSettings *s = target;
        const char *path;

        s->overlays = g_ptr_array_new_with_free_func(g_free);
        if (sd_bus_message_enter_container(m, 'a', "o") < 0)
                return unreadable(error, "Overlays");
        while (sd_bus_message_read(m, "o", &path) > 0) {
                char *name = object_path_decode(path, HOST_OVERLAY_PREFIX);

                if (!name) {
                        g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                                "Overlays names %.128s, which is no path of an overlay", path);
                        return FALSE;
                }
                g_ptr_array_add(s->overlays, name);
        }
        s->has_overlays = TRUE;
        return sd_bus_message_exit_container(m) >= 0;
}

gboolean instance_settings_read(sd_bus_message *m, InstanceSettings *settings, GError **error)
{
        static const Option options[] = {
                {"Description", "s", read_instance_description},
                {"Port", "q", read_port},
                {"Arguments", "as", read_arguments},
                {"Overlays", "ao", read_overlays},
                {},
        };

        return options_read(m, options, settings, error);
}

static gboolean read_overlay_description(sd_bus_message *m, void *target, GError **error)
{
        OverlaySettings *s = target;
        const char *text;

        if (sd_bus_message_read(m, "s", &text) < 0)
                return unreadable(error, "Description");
        s->description = g_strdup(text);
        return s->has_description = TRUE;
}

static gboolean read_time_limit(sd_bus_message *m, void *target, GError **error)
{
        OverlaySettings *s = target;

        if (sd_bus_message_read(m, "t", &s->time_limit) < 0)
                return unreadable(error, "TimeLimit");
        return s->has_time_limit = TRUE;
}

static gboolean read_size_limit(sd_bus_message *m, void *target, GError **error)
{
        OverlaySettings *s = target;

        if (sd_bus_message_read(m, "t", &s->size_limit) < 0)
                return unreadable(error, "SizeLimit");
        return s->has_size_limit = TRUE;
}

static gboolean read_file_limit(sd_bus_message *m, void *target, GError **error)
{
        OverlaySettings *s = target;

        if (sd_bus_message_read(m, "t", &s->file_limit) < 0)
                return unreadable(error, "FileLimit");
        return s->has_file_limit = TRUE;
}

static gboolean read_keep_generations(sd_bus_message *m, void *target, GError **error)
{
        OverlaySettings *s = target;

        if (sd_bus_message_read(m, "u", &s->keep_generations) < 0)
                return unreadable(error, "KeepGenerations");
        return s->has_keep_generations = TRUE;
}

gboolean overlay_settings_read(sd_bus_message *m, OverlaySettings *settings, GError **error)
{
        static const Option options[] = {
                {"Description", "s", read_overlay_description},
                {"TimeLimit", "t", read_time_limit},
                {"SizeLimit", "t", read_size_limit},
                {"FileLimit", "t", read_file_limit},
                {"KeepGenerations", "u", read_keep_generations},
                {},
        };

        return options_read(m, options, settings, error);
}

static gboolean read_replace(sd_bus_message *m, void *target, GError **error)
{
        ImportSettings *s = target;
        int replaces;

        if (sd_bus_message_read(m, "b", &replaces) < 0)
                return unreadable(error, HOST_OPTION_REPLACE);
        s->replaces = replaces;
        return TRUE;
}

static gboolean read_file_name(sd_bus_message *m, void *target, GError **error)
{
        ImportSettings *s = target;
        const char *text;

        if (sd_bus_message_read(m, "s", &text) < 0)
                return unreadable(error, HOST_OPTION_FILE_NAME);
        s->file_name = g_strdup(text);
        return TRUE;
}

gboolean import_settings_read(sd_bus_message *m, ImportSettings *settings, GError **error)
{
        static const Option options[] = {
                {HOST_OPTION_REPLACE, "b", read_replace},
                {HOST_OPTION_FILE_NAME, "s", read_file_name},
                {},
        };

        return options_read(m, options, settings, error);
}
