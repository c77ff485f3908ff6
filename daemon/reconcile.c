/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reconcile.h"
#include "beneath.h"
#include "fault.h"
#include "filter-test.h"
#include "instance.h"
#include "job.h"
#include "overlay.h"
#include "paths.h"
#include "staging.h"
#include "unknown.h"
#include "util.h"

#include <fcntl.h>
#include <stdlib.h>

typedef struct WishCheck {
        Host *host;
        char *name;
        bool is_boot; /* the first since the host booted */
} WishCheck;

static void log_failure(const char *result, const GError *error, void *userdata)
{
        if (error)
                g_warning("%s", error->message);
}

static void log_outcome(const GError *error, void *userdata)
{
        if (error)
                g_warning("%s", error->message);
}

/* Enabled is the wish, and systemd's symbolic link follows it. A program that was killed between the two
 * finds them apart. When the host went down with it, systemd has gone by the link, and what it did or did not
 * start is put right too. */
static void on_is_enabled(const char *result, const GError *error, void *userdata)
{
        WishCheck *check = userdata;
        Instance *i = instance_find(check->host, check->name, NULL);
        bool is_enabled = !error && g_str_equal(result, "enabled");

        if (i && !i->op && i->row->enabled != is_enabled) {
                if (check->is_boot)
                        (is_enabled ? instance_stop : instance_start)(i, log_outcome, NULL);
                else
                        (is_enabled ? systemd1_disable : systemd1_enable)(
                                check->host->systemd, i->server_unit, log_failure, NULL);
        }
        g_free(check->name);
        g_free(check);
}

/* A Stop that this program did not see the end of: the server ended with an odd status, and its mount, which
 * needs us to go away, is on its way. See notice_asked_stop(). */
static bool was_stopping(Host *host, Instance *i)
{
        return !i->row->enabled &&
               g_str_equal(systemd1_unit(host->systemd, i->server_unit)->active_state, "failed") &&
               g_str_equal(systemd1_unit(host->systemd, i->mount_unit)->active_state, "deactivating");
}

static void reconcile_instance(Host *host, Instance *i, bool is_boot)
{
        WishCheck *check = g_new(WishCheck, 1);

        *check = (WishCheck){host, g_strdup(i->row->name), is_boot};
        systemd1_is_enabled(host->systemd, i->server_unit, on_is_enabled, check);
        if (was_stopping(host, i))
                systemd1_reset_failed(host->systemd, i->server_unit, log_failure, NULL);
        instance_unit_found(i, systemd1_unit(host->systemd, i->server_unit));
        instance_unmount_unused(i);
}

static void visit_names(int parent_fd, const char *path,
        void (*visit)(Host *, const char *path, const char *name), Host *host)
{
        int r;
        g_autoptr(GPtrArray) names = beneath_list(parent_fd, path, &r);

        for (guint n = 0; names && n < names->len; n++)
                visit(host, path, names->pdata[n]);
}

/* Of a job that failed. */
static void check_trash_dir(Host *host, const char *path, const char *name)
{
        uint64_t id;

        if (g_ascii_string_to_unsigned(name, 10, 1, G_MAXINT64, &id, NULL) && jobs_is_over(host, id))
                job_queue_empty_trash(host);
}

/* Calls for the deletion of generations that no build finished and no job deletes. */
static void check_generations(Host *host, Overlay *overlay)
{
        g_autofree char *path = g_strdup_printf(DIR_OVERLAYS "/%" G_GUINT64_FORMAT, overlay->row->id);
        g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        int r;
        g_autoptr(GPtrArray) names = beneath_list(host->state_fd, path, &r);

        for (guint n = 0; names && n < names->len; n++) {
                uint64_t number;

                if (overlay->row->next_generation > 1 &&
                        g_ascii_string_to_unsigned(
                                names->pdata[n], 10, 1, overlay->row->next_generation - 1, &number, NULL))
                        g_array_append_val(numbers, number);
        }
        overlay_prune_unfinished(overlay, numbers);
}

void reconcile_generations(Host *host)
{
        g_autoptr(GList) overlays = g_hash_table_get_values(host->overlays);

        for (GList *l = overlays; l; l = l->next)
                check_generations(host, l->data);
}

/* What a running job's unit still needs while it starts stays; job-unit.c removes it in time. */
static void sweep_staged(Host *host, const char *path, const char *name)
{
        Job *job = job_find(host, strtoull(name, NULL, 10), NULL);
        int r = job && job_is_running(job) ? 0 : staging_remove(host->staging_fd, name);

        if (r < 0)
                g_warning("What was staged for job %s stays: %s", name, g_strerror(-r));
}

/* Returns: whether this is the first time since the host booted. */
static bool mark_boot(void)
{
        _cleanup_close_ int fd = open(PATH_BOOT_MARK, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0 && errno != EEXIST)
                g_warning("Cannot make " PATH_BOOT_MARK ": %s", g_strerror(errno));
        return fd >= 0;
}

void reconcile(Host *host)
{
        bool is_boot = mark_boot();
        g_autoptr(GList) instances = g_hash_table_get_values(host->instances);

        fault_point(FAULT_RECONCILE_BEGIN);
        instance_mounts_changed(host);
        for (GList *l = instances; l; l = l->next)
                reconcile_instance(host, l->data, is_boot);
        unknown_refresh(host);
        visit_names(host->state_fd, DIR_OVERLAYS "/" DIR_TRASH, check_trash_dir, host);
        visit_names(host->state_fd, DIR_CACHE "/" DIR_TRASH, check_trash_dir, host);
        visit_names(host->state_fd, DIR_INSTANCES "/" DIR_TRASH, check_trash_dir, host);
        visit_names(host->state_fd, DIR_RUNTIME "/" DIR_TRASH, check_trash_dir, host);
        visit_names(host->staging_fd, ".", sweep_staged, host);
        fault_point(FAULT_RECONCILE_SWEPT);
        filter_test_begin(host);
        jobs_resume(host);
        reconcile_generations(host);
        overlay_prune_all(host);
        fault_point(FAULT_RECONCILE_ENDED);
}
