/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* KEY=VALUE: keys are spelled like the properties that show them. */
#include "ctl.h"
#include "dbus/members.h"
#include <errno.h>

const char *const instance_keys[] = {
        HOST_MEMBER_Description, HOST_MEMBER_Port, HOST_MEMBER_Arguments, HOST_MEMBER_Overlays, NULL};
const char *const overlay_keys[] = {HOST_MEMBER_Description, HOST_MEMBER_TimeLimit, HOST_MEMBER_SizeLimit,
        HOST_MEMBER_FileLimit, HOST_MEMBER_KeepGenerations, NULL};

static int assign_description(l4h_settings *settings, const char *value)
{
        return l4h_settings_set_description(settings, value);
}

static int assign_port(l4h_settings *settings, const char *value)
{
        uint64_t port;
        if (!number_parse(value, UINT16_MAX, &port, NULL))
                return -EINVAL;
        return l4h_settings_set_port(settings, (uint16_t)port);
}

static int assign_words(l4h_settings *settings, const char *value, const char *separators,
        int (*set)(l4h_settings *, const char *const *))
{
        _cleanup_free_ char *copy = must(strdup(value));
        _cleanup_free_ const char **words = must(calloc(strlen(value) / 2 + 2, sizeof *words));
        size_t n = 0;
        char *state = NULL;
        for (char *word = strtok_r(copy, separators, &state); word; word = strtok_r(NULL, separators, &state))
                words[n++] = word;
        return set(settings, words);
}

static int assign_arguments(l4h_settings *settings, const char *value)
{
        return assign_words(settings, value, " \t\n", l4h_settings_set_arguments);
}

static int assign_overlays(l4h_settings *settings, const char *value)
{
        return assign_words(settings, value, ",", l4h_settings_set_overlays);
}

static int assign_time_limit(l4h_settings *settings, const char *value)
{
        uint64_t usec;
        return span_parse(value, &usec) ? l4h_settings_set_time_limit(settings, usec) : -EINVAL;
}

static int assign_size_limit(l4h_settings *settings, const char *value)
{
        static const char units[] = "KMGT";
        uint64_t number;
        const char *rest;
        if (!number_parse(value, UINT64_MAX, &number, &rest))
                return -EINVAL;
        const char *unit = *rest ? strchr(units, *rest) : NULL;
        unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
        if ((*rest && (!unit || rest[1])) || number > UINT64_MAX >> shift)
                return -EINVAL;
        return l4h_settings_set_size_limit(settings, number << shift);
}

static int assign_file_limit(l4h_settings *settings, const char *value)
{
        uint64_t n;
        if (!number_parse(value, UINT64_MAX, &n, NULL))
                return -EINVAL;
        return l4h_settings_set_file_limit(settings, n);
}

static int assign_keep_generations(l4h_settings *settings, const char *value)
{
        uint64_t n;
        if (!number_parse(value, UINT32_MAX, &n, NULL))
                return -EINVAL;
        return l4h_settings_set_keep_generations(settings, (uint32_t)n);
}

static const struct {
        const char *key;
        int (*assign)(l4h_settings *settings, const char *value); /* -EINVAL: it is not `wanted` */
        const char *wanted;
} assigners[] = {
        {HOST_MEMBER_Description, assign_description, "a text"},
        {HOST_MEMBER_Port, assign_port, "a number up to 65535"},
        {HOST_MEMBER_Arguments, assign_arguments, "words with blanks between"},
        {HOST_MEMBER_Overlays, assign_overlays, "names with commas between"},
        {HOST_MEMBER_TimeLimit, assign_time_limit,
                "a number with s, min, h, d or nothing (seconds) after it"},
        {HOST_MEMBER_SizeLimit, assign_size_limit, "a number with K, M, G, T or nothing (bytes) after it"},
        {HOST_MEMBER_FileLimit, assign_file_limit, "a number"},
        {HOST_MEMBER_KeepGenerations, assign_keep_generations, "a number"},
};

static bool strings_contain(const char *const *strings, const char *string)
{
        for (; *strings; strings++)
                if (strcmp(*strings, string) == 0)
                        return true;
        return false;
}

static int assign_one(l4h_settings *settings, const char *argument, const char *const *keys)
{
        const char *equals = strchr(argument, '=');
        if (!equals)
                return usage_fail("'%s' is no assignment KEY=VALUE.", argument);
        _cleanup_free_ char *key = must(strndup(argument, (size_t)(equals - argument)));
        if (!strings_contain(keys, key)) {
                _cleanup_free_ char *known = format_strings(keys, ", ", "");
                return usage_fail("Unknown key '%s'; there are: %s.", key, known);
        }
        for (size_t i = 0; i < sizeof assigners / sizeof assigners[0]; i++) {
                if (strcmp(assigners[i].key, key) != 0)
                        continue;
                int r = assigners[i].assign(settings, equals + 1);
                if (r == -EINVAL)
                        return usage_fail("%s must be %s, not '%s'.", key, assigners[i].wanted, equals + 1);
                (void)must(r < 0 ? NULL : settings);
        }
        return EXIT_DONE;
}

static int assign(char **arguments, const char *const *keys, l4h_settings **ret)
{
        _cleanup_(settings_unrefp) l4h_settings *settings = NULL;
        (void)l4h_settings_new(&settings);
        must(settings);
        for (; *arguments; arguments++) {
                int status = assign_one(settings, *arguments, keys);
                if (status != EXIT_DONE)
                        return status;
        }
        *ret = settings;
        settings = NULL;
        return EXIT_DONE;
}

int call_with_settings(Ctl *ctl, char **arguments, const char *const *keys,
        int (*call)(l4h_host *host, const char *name, const l4h_settings *settings))
{
        _cleanup_(settings_unrefp) l4h_settings *settings = NULL;
        int status = assign(arguments + 1, keys, &settings);
        if (status != EXIT_DONE)
                return status;
        return call(ctl->host, arguments[0], settings) < 0 ? ctl_fail(ctl) : EXIT_DONE;
}
