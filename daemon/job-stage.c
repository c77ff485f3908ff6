/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job-stage.h"
#include "address-filter.h"
#include "beneath.h"
#include "fault.h"
#include "generation-dir.h"
#include "job-thread.h"
#include "overlay.h"
#include "paths.h"
#include "project-quota.h"
#include "staging.h"
#include "util.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <string.h>

static void add_bind(Stage *s, const char *name, bool read_only)
{
        s->binds[s->n_binds++] = (SandboxBind){g_strdup_printf(PATH_STAGING "/%s/%s", s->name, name),
                g_strconcat("/", name, NULL), read_only};
}

Stage *stage_new(Job *job, const char *suffix, unsigned parts)
{
        Host *host = job->host;
        Overlay *overlay = overlay_by_id(host, job->row->overlay);
        Stage *s = g_new0(Stage, 1);

        s->parts = parts;
        s->state_fd = host->state_fd;
        s->staging_fd = host->staging_fd;
        s->name = job_staging_name(job, suffix);
        s->script = g_strdup(overlay->row->script);
        s->overlay = overlay->row->id;
        s->generation = job->row->generation;
        s->previous = overlay->row->generation;
        s->has_quota = host->has_project_quota;
        s->size_limit = overlay_size_limit(overlay);
        s->file_limit = overlay_file_limit(overlay);
        s->server_uid = host->server_uid;
        s->server_gid = host->server_gid;
        s->user = parts & STAGE_WATCHER ? g_strdup(USER_WATCHER)
                                        : g_strdup_printf(USER_SANDBOX_PREFIX "%d", job->row->slot);
        if (parts & (STAGE_NEXT | STAGE_FILLED))
                add_bind(s, "overlay", parts & STAGE_FILLED);
        if (parts & STAGE_CACHE)
                add_bind(s, "cache", parts & STAGE_WATCHER);
        if (parts & STAGE_SCRIPT)
                add_bind(s, "script", true);
        if (parts & STAGE_PREVIOUS && s->previous)
                add_bind(s, "previous", true);
        return s;
}

void stage_free(Stage *s)
{
        if (!s)
                return;
        for (size_t n = 0; n < s->n_binds; n++) {
                g_free((char *)s->binds[n].source);
                g_free((char *)s->binds[n].target);
        }
        g_clear_pointer(&s->denied, g_array_unref);
        g_free(s->name);
        g_free(s->user);
        g_free(s->script);
        g_free(s->message);
        g_free(s);
}

static int user_userns(Stage *s)
{
        struct passwd buffer, *user = NULL;
        char strings[1024];

        if (getpwnam_r(s->user, &buffer, strings, sizeof(strings), &user) != 0 || !user)
                return fail(-ESRCH, &s->message, "There is no user %s; run systemd-sysusers", s->user);
        return staging_userns_new(&(IdPair){s->server_uid, user->pw_uid}, 1);
}

static int attach(Stage *s, int job_fd, int tree_fd, int userns_fd, const char *name, bool read_only)
{
        int r = tree_fd < 0 ? tree_fd
                            : staging_attach(job_fd, name, tree_fd, userns_fd, read_only, &s->message);

        fault_point(FAULT_STAGE_ATTACHED);
        return r;
}

static int attach_generation(Stage *s, int job_fd, int overlay_fd, int userns_fd, uint64_t number,
        const char *name, bool read_only)
{
        g_autofree char *path = g_strdup_printf("%" PRIu64, number);
        _cleanup_close_ int fd = beneath_open(overlay_fd, path, O_PATH | O_DIRECTORY, 0);

        return attach(s, job_fd, fd, userns_fd, name, read_only);
}

static int lift_quota(const Stage *s, int overlay_fd)
{
        g_autofree char *name = g_strdup_printf("%" PRIu64, s->generation);
        _cleanup_close_ int fd = beneath_open(overlay_fd, name, O_RDONLY | O_DIRECTORY, 0);

        if (fd < 0)
                return fd;
        project_quota_lift(fd);
        return 0;
}

static int attach_cache(Stage *s, int job_fd, int userns_fd)
{
        g_autofree char *name = g_strdup_printf("%" PRIu64, s->overlay);
        _cleanup_close_ int all_fd = -EBADF, fd = -EBADF;

        all_fd = beneath_open(s->state_fd, DIR_CACHE, O_RDONLY | O_DIRECTORY, 0);
        if (all_fd < 0)
                return all_fd;
        fd = beneath_make_dir(all_fd, name, s->server_uid, s->server_gid, 0755);
        return attach(s, job_fd, fd, userns_fd, "cache", s->parts & STAGE_WATCHER);
}

static int stage_parts(Stage *s, int job_fd, int overlay_fd, int userns_fd)
{
        _cleanup_close_ int next_fd = -EBADF;
        int r = 0;

        if (s->parts & STAGE_NEXT)
                r = next_fd = generation_dir_make(
                        overlay_fd, s->generation, s->server_uid, s->server_gid, &s->message);
        if (next_fd >= 0 && s->has_quota)
                r = project_quota_set(next_fd, s->size_limit, s->file_limit, &s->message);
        if (r >= 0)
                r = attach_generation(
                        s, job_fd, overlay_fd, userns_fd, s->generation, "overlay", s->parts & STAGE_FILLED);
        if (r >= 0 && s->parts & STAGE_FINAL)
                r = lift_quota(s, overlay_fd);
        if (r >= 0 && s->parts & STAGE_CACHE)
                r = attach_cache(s, job_fd, userns_fd);
        if (r >= 0 && s->parts & STAGE_PREVIOUS && s->previous)
                r = attach_generation(s, job_fd, overlay_fd, userns_fd, s->previous, "previous", true);
        if (r >= 0 && s->parts & STAGE_SCRIPT)
                r = beneath_write_file(job_fd, "script", s->script, strlen(s->script), 0, 0, 0644);
        if (r >= 0 && s->parts & STAGE_NETWORK && !(s->denied = address_filter_collect(&r)))
                return fail(r, &s->message, "Cannot read this host's addresses: %s", g_strerror(-r));
        return MIN(r, 0);
}

static int stage_all(Stage *s)
{
        _cleanup_close_ int overlay_fd = -EBADF, job_fd = -EBADF, userns_fd = -EBADF;
        int r;

        overlay_fd = overlay_dir_open(s->state_fd, s->overlay);
        if (overlay_fd < 0)
                return overlay_fd;
        r = staging_remove(s->staging_fd, s->name); /* of an earlier turn */
        if (r < 0)
                return r;
        job_fd = beneath_make_dir(s->staging_fd, s->name, 0, 0, 0700);
        if (job_fd < 0)
                return job_fd;
        userns_fd = user_userns(s);
        if (userns_fd < 0)
                return userns_fd;
        return stage_parts(s, job_fd, overlay_fd, userns_fd);
}

void stage_step(void *data)
{
        Stage *s = data;

        s->result = stage_all(s);
        fault_point(FAULT_STAGE_ENDED);
        if (s->result < 0 && !s->message)
                s->message = g_strdup_printf("Cannot stage generation %" PRIu64 " of overlay %" PRIu64 ": %s",
                        s->generation, s->overlay, g_strerror(-s->result));
}
