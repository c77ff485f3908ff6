/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk-limit.h"
#include "paths.h"
#include "tree/measure.h"

#include <signal.h>
#include <sys/statvfs.h>

gboolean disk_limit_check_free(const Host *host, const char *name, GError **error)
{
        uint64_t available, keep = host->settings->keep_free;
        g_autofree char *has = NULL, *wants = NULL;
        struct statvfs fs;

        if (fstatvfs(host->state_fd, &fs) < 0) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_NO_SPACE,
                        "Overlay \"%s\" gets no new generation: how much is free in " PATH_STATE
                        " cannot be told: %s",
                        name, g_strerror(errno));
                return FALSE;
        }
        available = (uint64_t)fs.f_bavail * fs.f_frsize;
        if (available >= keep)
                return TRUE;
        has = settings_format_size(available);
        wants = settings_format_size(keep);
        g_set_error(error, HOST_ERROR, HOST_ERROR_NO_SPACE,
                "Overlay \"%s\" gets no new generation: %s are free in " PATH_STATE
                ", and KeepFree=%s of host.conf must stay free; delete something, or change that",
                name, has, wants);
        return FALSE;
}

typedef struct Limit {
        char *setting; /* its name, and whose it is */
        const char *advice;
        uint64_t value;
        bool is_size;
} Limit;

static void limit_clear(Limit *l)
{
        g_free(l->setting);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Limit, limit_clear)

static char *format_amount(const Limit *l, uint64_t amount)
{
        return l->is_size ? settings_format_size(amount) : g_strdup_printf("%" G_GUINT64_FORMAT, amount);
}

/* Of a generation: the overlay's own, or the host's. */
static Limit generation_limit(const Overlay *o, bool is_size)
{
        bool is_own = (is_size ? o->row->size_limit : o->row->file_limit) != 0;
        const char *name = is_size ? "SizeLimit" : "FileLimit";

        return (Limit){
                .setting = is_own ? g_strdup_printf("%s of overlay \"%s\"", name, o->row->name)
                                  : g_strdup_printf("Build%s of host.conf", name),
                .advice = is_own    ? "set that higher if the build needs more"
                          : is_size ? "set that, or SizeLimit of the overlay, higher if the build needs more"
                                    : "set that, or FileLimit of the overlay, higher if the build needs more",
                .value = is_size ? overlay_size_limit(o) : overlay_file_limit(o),
                .is_size = is_size,
        };
}

static Limit host_limit(const char *name, uint64_t value, bool is_size, const char *advice)
{
        return (Limit){g_strdup_printf("%s of host.conf", name), advice, value, is_size};
}

/* `unknown` stands where the amount is not known. */
static char *explain(
        const Limit *l, const char *before, uint64_t amount, const char *unknown, const char *after)
{
        g_autofree char *had = amount ? format_amount(l, amount) : g_strdup(unknown);
        g_autofree char *allowed = format_amount(l, l->value);

        return g_strdup_printf(
                "%s %s %s, and %s is %s; %s", before, had, after, l->setting, allowed, l->advice);
}

#define EMPTY_IT "empty it with WipeCache, or set that higher"

char *disk_limit_explain(const Overlay *o, int status, uint64_t amount)
{
        const Settings *s = o->host->settings;
        g_auto(Limit) l = {};

        switch (status) {
        case TREE_SPACE_LOW:
                l = host_limit("KeepFree", s->keep_free, true, "delete something, or set that lower");
                return explain(&l, "There was", amount, "too little", "of the disk free");
        case TREE_TOO_LARGE:
                l = generation_limit(o, true);
                return explain(&l, "Its files took", amount, "too much", "of the disk");
        case TREE_TOO_MANY:
                l = generation_limit(o, false);
                return explain(&l, "It made", amount, "too many", "files, links and directories");
        case TREE_TOO_LARGE + TREE_SECOND:
                l = host_limit("CacheSizeLimit", s->cache_size_limit, true, EMPTY_IT);
                return explain(&l, "Its cache took", amount, "too much", "of the disk");
        case TREE_TOO_MANY + TREE_SECOND:
                l = host_limit("BuildFileLimit", s->build_file_limit, false, EMPTY_IT);
                return explain(&l, "Its cache has", amount, "too many", "files, links and directories");
        case TREE_TOO_DEEP:
                return g_strdup("Its directories lie deeper in each other than can be counted");
        default:
                return NULL;
        }
}

char *disk_limit_explain_sealed(const Overlay *o, uint64_t bytes, uint64_t files)
{
        if (bytes > overlay_size_limit(o))
                return disk_limit_explain(o, TREE_TOO_LARGE, bytes);
        return files > overlay_file_limit(o) ? disk_limit_explain(o, TREE_TOO_MANY, files) : NULL;
}

char *disk_limit_explain_end(const Overlay *o, const char *result, int exit_status)
{
        bool by_signal = g_str_equal(result, "signal") || g_str_equal(result, "core-dump");
        g_autofree char *allowed = NULL;
        g_auto(Limit) l = {};

        /* A shell whose command died of it ends with 128 and the signal's number. */
        if (exit_status != SIGXFSZ + (by_signal ? 0 : 128) ||
                !(by_signal || g_str_equal(result, "exit-code")))
                return NULL;
        l = generation_limit(o, true);
        allowed = format_amount(&l, l.value);
        return g_strdup_printf(
                "A file of it became longer than %s, which is %s; %s", allowed, l.setting, l.advice);
}
