/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings.h"
#include "store.h"
#include "util.h"
#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#define GROUP      "Host"
#define FIRST_PORT 1024
#define GIB        (UINT64_C(1) << 30)

typedef struct Setting Setting;
struct Setting {
        const char *key;
        /* Takes the value over. Returns: NULL, or what the value should be (a new string). */
        char *(*parse)(const Setting *setting, const char *value, Settings *settings);
        size_t offset; /* of the field, for those that take numbers */
        guint64 min, max;
};

static char *parse_count(const Setting *setting, const char *value, Settings *settings)
{
        guint64 number;

        if (!g_ascii_string_to_unsigned(value, 10, setting->min, setting->max, &number, NULL))
                return g_strdup_printf("a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
                        setting->min, setting->max);
        *(unsigned *)((char *)settings + setting->offset) = (unsigned)number;
        return NULL;
}

static char *parse_seconds(const Setting *setting, const char *value, Settings *settings)
{
        guint64 number;

        if (!g_ascii_string_to_unsigned(value, 10, setting->min, setting->max, &number, NULL))
                return g_strdup_printf("a number of seconds from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                                       ", without a unit",
                        setting->min, setting->max);
        *(uint64_t *)((char *)settings + setting->offset) = number * G_USEC_PER_SEC;
        return NULL;
}

static const char size_units[] = "KMGT";

char *settings_format_size(uint64_t bytes)
{
        unsigned unit = 0;

        while (unit < strlen(size_units) && bytes >> 10 * (unit + 1) > 0)
                unit++;
        if (unit == 0)
                return g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
        return g_strdup_printf(bytes % (UINT64_C(1) << 10 * unit) == 0 ? "%.0f%c" : "%.1f%c",
                (double)bytes / (double)(UINT64_C(1) << 10 * unit), size_units[unit - 1]);
}

/* As systemd writes sizes: a whole number, with K, M, G or T to the base of 1024. */
static char *parse_size(const Setting *setting, const char *value, Settings *settings)
{
        g_autofree char *digits = g_strdup(value);
        size_t length = strlen(digits);
        const char *unit = length > 0 ? strchr(size_units, digits[length - 1]) : NULL;
        unsigned shift = unit ? 10 * (unsigned)(unit - size_units + 1) : 0;
        guint64 number;

        if (unit)
                digits[length - 1] = '\0';
        if (!g_ascii_string_to_unsigned(digits, 10, 0, setting->max >> shift, &number, NULL) ||
                number << shift < setting->min) {
                g_autofree char *min = settings_format_size(setting->min);
                g_autofree char *max = settings_format_size(setting->max);

                return g_strdup_printf(
                        "a number of bytes, or one with K, M, G or T after it, from %s to %s", min, max);
        }
        *(uint64_t *)((char *)settings + setting->offset) = number << shift;
        return NULL;
}

static char *parse_ports(const Setting *setting, const char *value, Settings *settings)
{
        g_auto(GStrv) parts = g_strsplit(value, "-", 2);
        guint64 first, last;

        if (g_strv_length(parts) == 2 &&
                g_ascii_string_to_unsigned(parts[0], 10, FIRST_PORT, G_MAXUINT16, &first, NULL) &&
                g_ascii_string_to_unsigned(parts[1], 10, FIRST_PORT, G_MAXUINT16, &last, NULL) &&
                first + N_PORTS - 1 <= last) {
                settings->port_first = (uint16_t)first;
                settings->port_last = (uint16_t)last;
                return NULL;
        }
        return g_strdup_printf("FIRST-LAST, ports from %d to %d, %d or more of them (an instance takes %d)",
                FIRST_PORT, G_MAXUINT16, N_PORTS, N_PORTS);
}

static char *parse_address(const Setting *setting, const char *value, Settings *settings)
{
        struct in_addr address;

        if (inet_pton(AF_INET, value, &address) != 1)
                return g_strdup("an IPv4 address, or 0.0.0.0 for all of the host's");
        g_free(settings->listen_address);
        settings->listen_address = g_strdup(value);
        return NULL;
}

static const Setting known_settings[] = {
        {"PortRange", parse_ports},
        {"ListenAddress", parse_address},
        {"JobSlots", parse_count, offsetof(Settings, job_slots), 1, 16},
        {"MaxPendingCallsPerUser", parse_count, offsetof(Settings, max_pending_calls), 1, 65536},
        {"MaxQueuedJobsPerUser", parse_count, offsetof(Settings, max_queued_jobs), 1, 65536},
        {"MaxLogReadersPerUser", parse_count, offsetof(Settings, max_log_readers), 1, 65536},
        {"BuildTimeLimitSec", parse_seconds, offsetof(Settings, build_time_limit), 1, 7 * 24 * 3600},
        {"KeepGenerations", parse_count, offsetof(Settings, keep_generations), 1, 16},
        {"KeepFinishedJobs", parse_count, offsetof(Settings, keep_finished), 1, 10000},
        {"KeepFinishedJobsSec", parse_seconds, offsetof(Settings, keep_finished_age), 0, 3660 * 24 * 3600},
        {"BuildSizeLimit", parse_size, offsetof(Settings, build_size_limit), SIZE_LIMIT_MIN, SIZE_LIMIT_MAX},
        {"BuildFileLimit", parse_count, offsetof(Settings, build_file_limit), 1, FILE_LIMIT_MAX},
        {"CacheSizeLimit", parse_size, offsetof(Settings, cache_size_limit), SIZE_LIMIT_MIN, SIZE_LIMIT_MAX},
        {"KeepFree", parse_size, offsetof(Settings, keep_free), 0, SIZE_LIMIT_MAX},
};

static Settings *settings_new(void)
{
        Settings *settings = g_new0(Settings, 1);

        settings->port_first = 27015;
        settings->port_last = 27314;
        settings->listen_address = g_strdup("0.0.0.0");
        settings->job_slots = 4;
        settings->max_pending_calls = 64;
        settings->max_queued_jobs = 256;
        settings->max_log_readers = 256;
        settings->build_time_limit = UINT64_C(3600) * G_USEC_PER_SEC;
        settings->keep_generations = 2;
        settings->keep_finished = 100;
        settings->keep_finished_age = UINT64_C(30) * 24 * 3600 * G_USEC_PER_SEC;
        settings->build_size_limit = 20 * GIB;
        settings->build_file_limit = 1000000;
        settings->cache_size_limit = 20 * GIB;
        settings->keep_free = GIB;
        return settings;
}

void settings_free(Settings *settings)
{
        if (!settings)
                return;
        g_free(settings->listen_address);
        g_free(settings);
}

static int apply_key(
        const char *path, GKeyFile *file, const char *key, Settings *settings, char **ret_message)
{
        g_autofree char *value = g_key_file_get_value(file, GROUP, key, NULL);
        g_autofree char *wanted = NULL;

        g_strchomp(value);
        for (size_t i = 0; i < G_N_ELEMENTS(known_settings); i++) {
                if (!g_str_equal(key, known_settings[i].key))
                        continue;
                wanted = known_settings[i].parse(&known_settings[i], value, settings);
                if (!wanted)
                        return 0;
                return fail(-EINVAL, ret_message, "%s: %s=%s cannot be used: it must be %s.", path, key,
                        value, wanted);
        }
        return fail(-EINVAL, ret_message,
                "%s: there is no setting %s; correct or remove it (see left4me-host.conf(5)).", path, key);
}

static int load_file(const char *path, Settings *settings, char **ret_message)
{
        g_autoptr(GKeyFile) file = g_key_file_new();
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) groups = NULL, keys = NULL;

        /* Without "keep" GKeyFile drops Key[xx]= in silence. */
        if (!g_key_file_load_from_file(file, path, G_KEY_FILE_KEEP_TRANSLATIONS, &error)) {
                if (g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
                        return 0;
                return fail(error->domain == G_KEY_FILE_ERROR ? -EINVAL : -EIO, ret_message,
                        "%s could not be read: %s", path, error->message);
        }
        groups = g_key_file_get_groups(file, NULL);
        for (char **group = groups; *group; group++)
                if (!g_str_equal(*group, GROUP))
                        return fail(-EINVAL, ret_message,
                                "%s: there is no group [%s]; all settings belong into [" GROUP "].", path,
                                *group);
        keys = g_key_file_get_keys(file, GROUP, NULL, NULL);
        for (char **key = keys; key && *key; key++) {
                int r = apply_key(path, file, *key, settings, ret_message);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int compare_names(gconstpointer a, gconstpointer b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Lists the drop-ins, sorted by name. */
static int list_dropins(const char *directory, GPtrArray *names, char **ret_message)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GDir) dir = g_dir_open(directory, 0, &error);
        const char *name;

        if (!dir && g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
                return 0;
        if (!dir)
                return fail(-EIO, ret_message, "%s could not be read: %s", directory, error->message);
        while ((name = g_dir_read_name(dir)))
                if (name[0] != '.' && g_str_has_suffix(name, ".conf"))
                        g_ptr_array_add(names, g_strdup(name));
        g_ptr_array_sort(names, compare_names);
        return 0;
}

int settings_load(const char *path, const char *dropin_dir, Settings **ret_settings, char **ret_message)
{
        g_autoptr(Settings) settings = settings_new();
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        int r;

        r = load_file(path, settings, ret_message);
        if (r >= 0)
                r = list_dropins(dropin_dir, names, ret_message);
        for (unsigned i = 0; i < names->len && r >= 0; i++) {
                g_autofree char *dropin =
                        g_build_filename(dropin_dir, (const char *)g_ptr_array_index(names, i), NULL);
                r = load_file(dropin, settings, ret_message);
        }
        if (r < 0)
                return r;
        *ret_settings = g_steal_pointer(&settings);
        return 0;
}
