/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host.h"
#include "beneath.h"
#include "filter-test.h"
#include "instance.h"
#include "job-keep.h"
#include "job-queue.h"
#include "log-stream.h"
#include "overlay.h"
#include "paths.h"
#include "project-quota.h"
#include "unknown.h"
#include "util.h"

#include "dbus/names.h"
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-id128.h>

#define RESERVED_MAX UINT64_C(1000000000000) /* no store has given out more */

uint64_t host_now(void)
{
        return (uint64_t)g_get_real_time();
}

static int compare_ids(gconstpointer a, gconstpointer b, gpointer userdata)
{
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return (x > y) - (x < y);
}

static int open_directories(Host *host, char **ret_message)
{
        static const char *const trees[] = {DIR_OVERLAYS, DIR_CACHE, DIR_INSTANCES, DIR_RUNTIME};

        host->state_fd = open(PATH_STATE, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (host->state_fd < 0)
                return fail(-errno, ret_message,
                        "Cannot open " PATH_STATE ": %s; run systemd-tmpfiles --create", g_strerror(errno));
        host->staging_fd = open(PATH_STAGING, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (host->staging_fd < 0)
                return fail(-errno, ret_message,
                        "Cannot open " PATH_STAGING ": %s; run systemd-tmpfiles --create", g_strerror(errno));
        for (size_t i = 0; i < G_N_ELEMENTS(trees); i++) {
                _cleanup_close_ int fd = -EBADF, trash = -EBADF;
                bool is_way_to_mount = g_str_equal(trees[i], DIR_RUNTIME);

                fd = beneath_make_dir(host->state_fd, trees[i], 0, is_way_to_mount ? host->server_gid : 0,
                        is_way_to_mount ? 0710 : 0700);
                if (fd >= 0 && !g_str_equal(trees[i], DIR_INSTANCES))
                        trash = beneath_make_dir(fd, DIR_TRASH, 0, 0, 0700);
                if (fd < 0 || (trash < 0 && trash != -EBADF))
                        return fail(fd < 0 ? fd : trash, ret_message, "Cannot make " PATH_STATE "/%s: %s",
                                trees[i], g_strerror(fd < 0 ? -fd : -trash));
        }
        return 0;
}

static int find_users(Host *host, char **ret_message)
{
        struct passwd *user = getpwnam(USER_SERVER);

        if (!user)
                return fail(-ESRCH, ret_message, "There is no user " USER_SERVER "; run systemd-sysusers");
        host->server_uid = user->pw_uid;
        host->server_gid = user->pw_gid;
        return 0;
}

static int load_rows(Host *host, char **ret_message)
{
        g_autoptr(GPtrArray) instances = NULL, overlays = NULL, jobs = NULL;
        int r = store_load_overlays(host->store, &overlays, ret_message);

        if (r >= 0)
                r = store_load_instances(host->store, &instances, ret_message);
        if (r >= 0)
                r = store_load_jobs(host->store, &jobs, ret_message);
        if (r < 0)
                return r;
        g_ptr_array_set_free_func(overlays, NULL);
        g_ptr_array_set_free_func(instances, NULL);
        g_ptr_array_set_free_func(jobs, NULL);
        for (guint i = 0; i < overlays->len; i++)
                overlay_new(host, overlays->pdata[i]);
        for (guint i = 0; i < instances->len; i++)
                instance_new(host, instances->pdata[i]);
        for (guint i = 0; i < jobs->len; i++)
                job_new(host, jobs->pdata[i]);
        return 0;
}

/* A store that is newer than the directories must not give their numbers to others. */
static int reserve_ids(Host *host, char **ret_message)
{
        static const char *const trees[] = {DIR_OVERLAYS, DIR_CACHE};
        uint64_t highest = 0, id;

        for (size_t i = 0; i < G_N_ELEMENTS(trees); i++) {
                int r;
                g_autoptr(GPtrArray) names = beneath_list(host->state_fd, trees[i], &r);

                for (guint n = 0; names && n < names->len; n++)
                        if (g_ascii_string_to_unsigned(names->pdata[n], 10, 1, RESERVED_MAX, &id, NULL))
                                highest = MAX(highest, id);
        }
        return store_reserve_overlay_ids(host->store, highest, ret_message);
}

/* Where generations are made: it may be a filesystem of its own. */
static bool has_project_quota(Host *host)
{
        _cleanup_close_ int fd = beneath_open(host->state_fd, DIR_OVERLAYS, O_RDONLY | O_DIRECTORY, 0);

        return fd >= 0 && project_quota_try(fd);
}

int host_new(LayersWay way, Host **ret_host, char **ret_message)
{
        g_autoptr(Host) host = g_new0(Host, 1);
        sd_id128_t boot;
        char boot_text[SD_ID128_STRING_MAX];
        int r;

        host->state_fd = host->staging_fd = -EBADF;
        host->instances = g_hash_table_new(g_str_hash, g_str_equal);
        host->overlays = g_hash_table_new(g_str_hash, g_str_equal);
        host->overlays_by_id = g_hash_table_new(g_int64_hash, g_int64_equal);
        host->jobs = g_tree_new_full(compare_ids, NULL, NULL, NULL);
        host->log_turns = log_turns_new();
        host->log_streams = log_streams_new();
        host->served = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        r = sd_id128_get_boot(&boot);
        if (r < 0)
                return fail(r, ret_message, "Cannot read the boot id: %s", g_strerror(-r));
        host->boot_id = g_strdup(sd_id128_to_string(boot, boot_text));
        r = settings_load(PATH_SETTINGS, PATH_SETTINGS_DROPINS, &host->settings, ret_message);
        if (r >= 0)
                r = find_users(host, ret_message);
        if (r >= 0)
                r = open_directories(host, ret_message);
        if (r >= 0)
                r = store_open(PATH_STORE, &host->store, ret_message);
        if (r >= 0)
                r = reserve_ids(host, ret_message);
        if (r >= 0 && way >= 0)
                r = layers_try(host->state_fd, way, ret_message);
        else if (r >= 0)
                r = layers_probe(host->state_fd, &way, ret_message);
        host->layers_way = way;
        host->has_project_quota = r >= 0 && has_project_quota(host);
        if (r >= 0)
                r = load_rows(host, ret_message);
        if (r < 0)
                return r;
        *ret_host = g_steal_pointer(&host);
        return 0;
}

static void free_instance(gpointer instance, gpointer userdata)
{
        instance_free(instance);
}

static void free_overlay(gpointer overlay, gpointer userdata)
{
        overlay_free(overlay);
}

void host_free(Host *host)
{
        g_autoptr(GList) instances = NULL, overlays = NULL;

        if (!host)
                return;
        /* The listener goes first: nobody is told that the program forgets. */
        host->listener = (HostListener){};
        if (host->schedule)
                g_source_remove(host->schedule);
        if (host->drop)
                g_source_remove(host->drop);
        if (host->save_again)
                g_source_remove(host->save_again);
        g_clear_pointer(&host->mounts, mounts_watch_free);
        g_clear_pointer(&host->systemd, systemd1_free);
        instances = g_hash_table_get_values(host->instances);
        g_list_foreach(instances, free_instance, NULL);
        overlays = g_hash_table_get_values(host->overlays);
        g_list_foreach(overlays, free_overlay, NULL);
        for (GTreeNode *n; (n = g_tree_node_first(host->jobs));)
                job_free(g_tree_node_value(n));
        g_hash_table_unref(host->instances);
        g_hash_table_unref(host->overlays_by_id);
        g_hash_table_unref(host->overlays);
        g_tree_unref(host->jobs);
        g_array_unref(host->served);
        log_streams_free(host->log_streams);
        turns_free(host->log_turns);
        store_close(host->store);
        settings_free(host->settings);
        close_fd(&host->state_fd);
        close_fd(&host->staging_fd);
        g_strfreev(host->unknown);
        g_free(host->boot_id);
        g_free(host);
}

static void announce_address(Host *host)
{
        GHashTableIter iter;
        gpointer instance;

        g_hash_table_iter_init(&iter, host->instances);
        while (g_hash_table_iter_next(&iter, NULL, &instance))
                instance_address_changed(instance);
}

gboolean host_reload(Host *host, GError **error)
{
        Settings *settings = NULL;
        bool has_new_address;
        g_autofree char *message = NULL;

        if (settings_load(PATH_SETTINGS, PATH_SETTINGS_DROPINS, &settings, &message) < 0) {
                g_set_error(
                        error, HOST_ERROR, HOST_ERROR_INVALID_SETTING, "%s; the old settings stay", message);
                return FALSE;
        }
        has_new_address = !g_str_equal(host->settings->listen_address, settings->listen_address);
        settings_free(host->settings);
        host->settings = settings;
        if (has_new_address)
                announce_address(host);
        host_changed(host, OBJECT_MANAGER, "", "PortRange", "ListenAddress", "JobSlots",
                "MaxPendingCallsPerUser", "MaxQueuedJobsPerUser", "MaxLogReadersPerUser", "BuildTimeLimit",
                "KeepGenerations", "BuildSizeLimit", "BuildFileLimit", "CacheSizeLimit", "KeepFree",
                "KeepFinishedJobs", "KeepFinishedJobsUSec");
        unknown_refresh(host);
        jobs_drop_old(host);
        jobs_schedule(host);
        overlay_prune_all(host);
        return TRUE;
}

char **host_features(Host *host)
{
        g_autoptr(GStrvBuilder) words = g_strv_builder_new();
        g_autofree char *way = g_strconcat("overlay-", layers_way_to_string(host->layers_way), NULL);

        g_strv_builder_add(words, way);
        g_strv_builder_add(words, "idmapped-mounts");
        if (host->has_project_quota)
                g_strv_builder_add(words, "project-quota");
        if (host->filter == FILTER_WORKS)
                g_strv_builder_add(words, "ip-filter");
        if (host->systemd && systemd1_version(host->systemd) >= 257)
                g_strv_builder_add(words, "private-pids");
        return g_strv_builder_end(words);
}

void host_object_added(Host *host, ObjectKind kind, const char *id)
{
        if (host->listener.added)
                host->listener.added(kind, id, host->listener.userdata);
}

void host_object_removed(Host *host, ObjectKind kind, const char *id)
{
        if (host->listener.removed)
                host->listener.removed(kind, id, host->listener.userdata);
}

void host_object_changed(Host *host, ObjectKind kind, const char *id, const char *const *properties)
{
        if (host->listener.changed && *properties)
                host->listener.changed(kind, id, properties, host->listener.userdata);
}

gboolean host_store_error(GError **error, int r, char *message)
{
        g_autofree char *owned = message;
        int code = r == -ENOSPC       ? HOST_ERROR_NO_SPACE
                   : r == -EEXIST     ? HOST_ERROR_NAME_TAKEN
                   : r == -EADDRINUSE ? HOST_ERROR_PORT_TAKEN
                   : r == -EBUSY      ? HOST_ERROR_IN_USE
                                      : HOST_ERROR_STORE_FAILED;

        g_set_error_literal(error, HOST_ERROR, code, message ?: g_strerror(-r));
        return FALSE;
}

void host_unit_changed(const char *unit, const UnitState *state, void *userdata)
{
        Host *host = userdata;
        const char *rest;

        if (g_str_equal(unit, FILTER_TEST_UNIT)) {
                filter_test_notice(host, state);
                return;
        }
        if (g_str_has_prefix(unit, HOST_JOB_UNIT_PREFIX)) {
                job_unit_changed(host, unit);
                return;
        }
        rest = strchr(unit, '@');
        if (rest && g_str_has_suffix(rest, ".service")) {
                g_autofree char *name = g_strndup(rest + 1, strlen(rest) - 1 - strlen(".service"));
                Instance *instance = g_hash_table_lookup(host->instances, name);

                if (instance)
                        instance_unit_changed(instance, unit, state);
        }
}
