/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unknown.h"
#include "beneath.h"
#include "instance.h"
#include "job.h"
#include "overlay.h"
#include "paths.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const char *const trash[] = {DIR_OVERLAYS "/" DIR_TRASH, DIR_CACHE "/" DIR_TRASH,
        DIR_INSTANCES "/" DIR_TRASH, DIR_RUNTIME "/" DIR_TRASH};

typedef struct Search {
        Host *host;
        Overlay *overlay;    /* whose directory is looked through */
        GStrvBuilder *found; /* paths */
} Search;

/* Numbers are written in one way only: "07" is nobody's. */
static bool is_number(const char *name, uint64_t max, uint64_t *ret)
{
        return max > 0 && name[0] != '0' && g_ascii_string_to_unsigned(name, 10, 1, max, ret, NULL);
}

static bool is_instance(const Search *s, const char *name)
{
        return g_hash_table_contains(s->host->instances, name);
}

static bool is_overlay(const Search *s, const char *name)
{
        uint64_t id;

        return is_number(name, G_MAXINT64, &id) && overlay_by_id(s->host, id);
}

/* One whose number was given out and that is not finished is deleted by a prune job. */
static bool is_generation(const Search *s, const char *name)
{
        uint64_t number;

        return is_number(name, s->overlay->row->next_generation - 1, &number);
}

/* One that is over may have left it, for an empty-trash job. */
static bool is_job(const Search *s, const char *name)
{
        uint64_t id;
        Job *job;

        if (!is_number(name, G_MAXINT64, &id))
                return false;
        job = job_find(s->host, id, NULL);
        return job ? job_has_begun(job) : jobs_is_over(s->host, id);
}

static void look(Search *s, const char *path, bool (*is_known)(const Search *s, const char *name))
{
        int r;
        g_autoptr(GPtrArray) names = beneath_list(s->host->state_fd, path, &r);

        for (guint n = 0; names && n < names->len; n++) {
                const char *name = names->pdata[n];
                g_autofree char *shown = g_strescape(name, NULL); /* may be no UTF-8, and goes on the bus */
                g_autofree char *full = g_strconcat(PATH_STATE "/", path, "/", shown, NULL);

                if (!is_known(s, name) && !g_str_equal(name, DIR_TRASH))
                        g_strv_builder_add(s->found, full);
        }
}

static void look_everywhere(Search *s)
{
        GHashTableIter iter;
        gpointer overlay;

        look(s, DIR_INSTANCES, is_instance);
        look(s, DIR_RUNTIME, is_instance);
        look(s, DIR_OVERLAYS, is_overlay);
        look(s, DIR_CACHE, is_overlay);
        for (size_t n = 0; n < G_N_ELEMENTS(trash); n++)
                look(s, trash[n], is_job);
        g_hash_table_iter_init(&iter, s->host->overlays);
        while (g_hash_table_iter_next(&iter, NULL, &overlay)) {
                g_autofree char *path = NULL;

                s->overlay = overlay;
                path = g_strdup_printf(DIR_OVERLAYS "/%" G_GUINT64_FORMAT, s->overlay->row->id);
                look(s, path, is_generation);
        }
}

static int compare_paths(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

void unknown_refresh(Host *host)
{
        g_autoptr(GStrvBuilder) found = g_strv_builder_new();
        g_auto(GStrv) before = g_steal_pointer(&host->unknown);
        Search search = {.host = host, .found = found};

        look_everywhere(&search);
        host->unknown = g_strv_builder_end(found);
        qsort(host->unknown, g_strv_length(host->unknown), sizeof(char *), compare_paths);
        for (char **path = host->unknown; *path; path++)
                if (!before || !g_strv_contains((const char *const *)before, *path))
                        g_warning("Nobody knows %s; it is kept, look at it and delete it by hand", *path);
        if (before && !g_strv_equal((const char *const *)before, (const char *const *)host->unknown))
                host_changed(host, OBJECT_MANAGER, "", "UnknownDirectories");
}

static char *find_in_way(Host *host, const char *parent, uint64_t number)
{
        g_autofree char *path = g_strdup_printf("%s/%" G_GUINT64_FORMAT, parent, number);
        struct stat st;

        if (fstatat(host->state_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return NULL;
        return g_strdup_printf(
                "Nobody knows " PATH_STATE "/%s, and it is in the way; move it away and try again", path);
}

char *unknown_generation_in_way(Overlay *o)
{
        g_autofree char *parent = g_strdup_printf(DIR_OVERLAYS "/%" G_GUINT64_FORMAT, o->row->id);

        return find_in_way(o->host, parent, o->row->next_generation);
}

char *unknown_in_way(Job *job)
{
        char *found = NULL;

        if (job->rule->makes_generation)
                return unknown_generation_in_way(overlay_by_id(job->host, job->row->overlay));
        for (size_t n = 0; n < G_N_ELEMENTS(trash) && !found; n++)
                found = find_in_way(job->host, trash[n], job->row->id);
        return found;
}
