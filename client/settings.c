/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of create and configure calls. */
#include "internal.h"
#include <errno.h>
#include <string.h>

struct l4h_settings {
        unsigned n_ref;
        bool has_port, has_time_limit, has_size_limit, has_file_limit, has_keep_generations;
        char *description;
        uint16_t port;
        char **arguments; /* empty and not NULL when it is to be emptied; the same for overlays */
        char **overlays;
        uint64_t time_limit, size_limit, file_limit;
        uint32_t keep_generations;
};

int l4h_settings_new(l4h_settings **ret)
{
        l4h_settings *settings = calloc(1, sizeof *settings);
        if (!settings)
                return -ENOMEM;
        settings->n_ref = 1;
        *ret = settings;
        return 0;
}

l4h_settings *l4h_settings_ref(l4h_settings *settings)
{
        settings->n_ref++;
        return settings;
}

l4h_settings *l4h_settings_unref(l4h_settings *settings)
{
        if (!settings || --settings->n_ref > 0)
                return NULL;
        free(settings->description);
        strings_free(settings->arguments);
        strings_free(settings->overlays);
        free(settings);
        return NULL;
}

int l4h_settings_set_description(l4h_settings *settings, const char *text)
{
        char *copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        free(settings->description);
        settings->description = copy;
        return 0;
}

int l4h_settings_set_port(l4h_settings *settings, uint16_t port)
{
        settings->port = port;
        settings->has_port = true;
        return 0;
}

static int strings_set(char ***field, const char *const *strings)
{
        char **copy = calloc(1, sizeof *copy);
        if (!copy)
                return -ENOMEM;
        for (; *strings; strings++) {
                char *string = strdup(*strings);
                if (!string || strings_push(&copy, string) < 0) {
                        strings_free(copy);
                        return -ENOMEM;
                }
        }
        strings_free(*field);
        *field = copy;
        return 0;
}

int l4h_settings_set_arguments(l4h_settings *settings, const char *const *arguments)
{
        return strings_set(&settings->arguments, arguments);
}

int l4h_settings_set_overlays(l4h_settings *settings, const char *const *names)
{
        return strings_set(&settings->overlays, names);
}

int l4h_settings_set_time_limit(l4h_settings *settings, uint64_t limit)
{
        settings->time_limit = limit;
        settings->has_time_limit = true;
        return 0;
}

int l4h_settings_set_size_limit(l4h_settings *settings, uint64_t bytes)
{
        settings->size_limit = bytes;
        settings->has_size_limit = true;
        return 0;
}

int l4h_settings_set_file_limit(l4h_settings *settings, uint64_t n)
{
        settings->file_limit = n;
        settings->has_file_limit = true;
        return 0;
}

int l4h_settings_set_keep_generations(l4h_settings *settings, uint32_t n)
{
        settings->keep_generations = n;
        settings->has_keep_generations = true;
        return 0;
}

static int append_arguments(sd_bus_message *m, char **arguments)
{
        return sd_bus_message_append_strv(m, arguments);
}

static int append_overlays(sd_bus_message *m, char **names)
{
        int r = sd_bus_message_open_container(m, 'a', "o");
        for (; r >= 0 && *names; names++) {
                _cleanup_free_ char *path = NULL;
                r = object_path(&overlay_type, *names, &path);
                if (r >= 0)
                        r = sd_bus_message_append_basic(m, 'o', path);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* One {sv} whose value is an array. */
static int append_array(sd_bus_message *m, const char *key, const char *signature,
        int (*append)(sd_bus_message *m, char **strings), char **strings)
{
        int r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', key);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', signature);
        if (r >= 0)
                r = append(m, strings);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r;
}

int settings_append(const l4h_settings *settings, sd_bus_message *m)
{
        int r = 0;
        if (settings->description)
                r = sd_bus_message_append(m, "{sv}", HOST_MEMBER_Description, "s", settings->description);
        if (r >= 0 && settings->has_port)
                r = sd_bus_message_append(m, "{sv}", HOST_MEMBER_Port, "q", settings->port);
        if (r >= 0 && settings->arguments)
                r = append_array(m, HOST_MEMBER_Arguments, "as", append_arguments, settings->arguments);
        if (r >= 0 && settings->overlays)
                r = append_array(m, HOST_MEMBER_Overlays, "ao", append_overlays, settings->overlays);
        if (r >= 0 && settings->has_time_limit)
                r = sd_bus_message_append(m, "{sv}", HOST_MEMBER_TimeLimit, "t", settings->time_limit);
        if (r >= 0 && settings->has_size_limit)
                r = sd_bus_message_append(m, "{sv}", HOST_MEMBER_SizeLimit, "t", settings->size_limit);
        if (r >= 0 && settings->has_file_limit)
                r = sd_bus_message_append(m, "{sv}", HOST_MEMBER_FileLimit, "t", settings->file_limit);
        if (r >= 0 && settings->has_keep_generations)
                r = sd_bus_message_append(
                        m, "{sv}", HOST_MEMBER_KeepGenerations, "u", settings->keep_generations);
        return r;
}
