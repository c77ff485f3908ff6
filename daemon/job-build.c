/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A build: the overlay's script runs in the sandbox and fills the next generation, which is then sealed and
 * published.
 *
 *   begun   directories and staging are made, the script's unit is started and runs
 *   ended   its result is in the row; the unit is being stopped
 *   seal    the seal's unit reads the tree, refuses what may not be in it, digests it and makes it durable
 *
 * Publishing is one transaction of the store. Whatever ends a build before that leaves the current generation
 * as it was, and what had been made is deleted by a prune job. */
#include "address-filter.h"
#include "beneath.h"
#include "job-queue.h"
#include "job-thread.h"
#include "job-unit.h"
#include "output.h"
#include "overlay.h"
#include "paths.h"
#include "staging.h"
#include "util.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SEAL_TIME_LIMIT (UINT64_C(3600) * G_USEC_PER_SEC)

/* What the thread stages, and where it ended up. */
typedef struct BuildStage {
        bool is_seal;
        int state_fd, staging_fd;
        char *name, *script;                    /* of the staging directory; the script's text */
        uint64_t overlay, generation, previous; /* previous 0: none */
        uid_t server_uid;
        gid_t server_gid;
        unsigned slot;
        GArray *denied;
        int result;
        char *message;
} BuildStage;

static void stage_free(BuildStage *s)
{
        g_clear_pointer(&s->denied, g_array_unref);
        g_free(s->name);
        g_free(s->script);
        g_free(s->message);
        g_free(s);
}

static BuildStage *stage_new(Job *job, bool is_seal)
{
        Host *host = job->host;
        Overlay *overlay = overlay_by_id(host, job->row->overlay);
        BuildStage *s = g_new0(BuildStage, 1);

        s->is_seal = is_seal;
        s->state_fd = host->state_fd;
        s->staging_fd = host->staging_fd;
        s->name = job_staging_name(job, is_seal ? "seal" : "");
        s->script = g_strdup(overlay->row->script);
        s->overlay = overlay->row->id;
        s->generation = job->row->generation;
        s->previous = overlay->row->generation;
        s->server_uid = host->server_uid;
        s->server_gid = host->server_gid;
        s->slot = (unsigned)job->row->slot;
        return s;
}

static int slot_userns(BuildStage *s)
{
        g_autofree char *name = g_strdup_printf(USER_SANDBOX_PREFIX "%u", s->slot);
        struct passwd buffer, *user = NULL;
        char strings[1024];

        if (getpwnam_r(name, &buffer, strings, sizeof(strings), &user) != 0 || !user)
                return fail(-ESRCH, &s->message, "There is no user %s; run systemd-sysusers", name);
        return staging_userns_new(&(IdPair){s->server_uid, user->pw_uid}, 1);
}

/* Opens overlays/<id>, making it on the way. */
static int open_overlay(BuildStage *s)
{
        g_autofree char *name = g_strdup_printf("%" PRIu64, s->overlay);
        _cleanup_close_ int all_fd = beneath_open(s->state_fd, DIR_OVERLAYS, O_RDONLY | O_DIRECTORY, 0);

        return all_fd < 0 ? all_fd : beneath_make_dir(all_fd, name, 0, 0, 0700);
}

static int attach(BuildStage *s, int job_fd, int tree_fd, int userns_fd, const char *name, bool read_only)
{
        return tree_fd < 0 ? tree_fd
                           : staging_attach(job_fd, name, tree_fd, userns_fd, read_only, &s->message);
}

static int attach_generation(BuildStage *s, int job_fd, int overlay_fd, int userns_fd, uint64_t number,
        const char *name, bool read_only)
{
        g_autofree char *path = g_strdup_printf("%" PRIu64, number);
        _cleanup_close_ int fd = beneath_open(overlay_fd, path, O_PATH | O_DIRECTORY, 0);

        return attach(s, job_fd, fd, userns_fd, name, read_only);
}

static int attach_cache(BuildStage *s, int job_fd, int userns_fd)
{
        g_autofree char *name = g_strdup_printf("%" PRIu64, s->overlay);
        _cleanup_close_ int all_fd = -EBADF, fd = -EBADF;

        all_fd = beneath_open(s->state_fd, DIR_CACHE, O_RDONLY | O_DIRECTORY, 0);
        if (all_fd < 0)
                return all_fd;
        fd = beneath_make_dir(all_fd, name, s->server_uid, s->server_gid, 0755);
        return attach(s, job_fd, fd, userns_fd, "cache", false);
}

/* The generation's directory is new: its number was never used, and nothing is in it. */
static int make_generation(BuildStage *s, int overlay_fd)
{
        g_autofree char *name = g_strdup_printf("%" PRIu64, s->generation);
        _cleanup_close_ int fd = -EBADF;

        if (mkdirat(overlay_fd, name, 0700) < 0)
                return fail(-errno, &s->message,
                        "Cannot make " PATH_STATE "/" DIR_OVERLAYS "/%" PRIu64 "/%s: %s", s->overlay, name,
                        g_strerror(errno));
        fd = beneath_make_dir(overlay_fd, name, s->server_uid, s->server_gid, 0755);
        return MIN(fd, 0);
}

static int stage_all(BuildStage *s)
{
        _cleanup_close_ int overlay_fd = -EBADF, job_fd = -EBADF, userns_fd = -EBADF;
        int r;

        overlay_fd = open_overlay(s);
        if (overlay_fd < 0)
                return overlay_fd;
        r = staging_remove(s->staging_fd, s->name); /* of an earlier turn */
        if (r < 0)
                return r;
        job_fd = beneath_make_dir(s->staging_fd, s->name, 0, 0, 0700);
        if (job_fd < 0)
                return job_fd;
        userns_fd = slot_userns(s);
        if (userns_fd < 0)
                return userns_fd;
        if (s->is_seal)
                return attach_generation(s, job_fd, overlay_fd, userns_fd, s->generation, "overlay", true);
        r = make_generation(s, overlay_fd);
        if (r >= 0)
                r = attach_generation(s, job_fd, overlay_fd, userns_fd, s->generation, "overlay", false);
        if (r >= 0)
                r = attach_cache(s, job_fd, userns_fd);
        if (r >= 0 && s->previous)
                r = attach_generation(s, job_fd, overlay_fd, userns_fd, s->previous, "previous", true);
        if (r >= 0)
                r = beneath_write_file(job_fd, "script", s->script, strlen(s->script), 0, 0, 0644);
        if (r >= 0 && !(s->denied = address_filter_collect(&r)))
                return fail(r, &s->message, "Cannot read this host's addresses: %s", g_strerror(-r));
        return MIN(r, 0);
}

static void stage_step(void *data)
{
        BuildStage *s = data;

        s->result = stage_all(s);
        if (s->result < 0 && !s->message)
                s->message = g_strdup_printf("Cannot stage the build: %s", g_strerror(-s->result));
}

/* Queues the deletion of what the build had made so far. That is in the store before the build's own end is:
 * a crash between the two deletes it once more, which does no harm. */
static void drop_generation(Job *job)
{
        Overlay *overlay = overlay_by_id(job->host, job->row->overlay);
        g_autoptr(GError) error = NULL;
        JobRow *row;

        if (!overlay || !job->row->generation)
                return;
        row = job_row_new();
        row->kind = g_strdup(JOB_PRUNE);
        row->overlay = overlay->row->id;
        row->subject_name = g_strdup(overlay->row->name);
        g_array_append_val(row->generations, job->row->generation);
        if (!job_queue(job->host, row, JOB_NOBODY, &error))
                g_warning("What job %s made stays: %s", job->id, error->message);
}

void job_build_discard(Job *job, const char *state, const char *result, int exit_status, const char *message)
{
        job_unstage(job, "");
        job_unstage(job, "seal");
        drop_generation(job);
        job_finish(job, state, result, exit_status, message);
}

static void build_failed(Job *job, const char *result, int exit_status, const char *message)
{
        if (job_is_cancelled(job))
                job_build_discard(job, "cancelled", "cancelled", exit_status, "It was cancelled");
        else
                job_build_discard(job, "failed", result, exit_status, message);
}

/* Seal */

static void on_sealed(Job *job, const JobUnitResult *result, void *userdata)
{
        g_autoptr(Output) output = userdata;
        g_autofree char *text = g_strchomp(output_read(output));
        Overlay *overlay = overlay_by_id(job->host, job->row->overlay);
        g_autoptr(GError) error = NULL;
        char digest[65];
        uint64_t bytes, files;
        GenerationRow *generation;

        if (job_is_cancelled(job) || !result->is_success) {
                bool is_refused = result->exit_status == 65 && *text;

                build_failed(job, is_refused ? "refused" : result->result, result->exit_status,
                        is_refused ? text : result->message);
                return;
        }
        if (sscanf(text, "%64[0-9a-f] %" SCNu64 " %" SCNu64, digest, &bytes, &files) != 3) {
                build_failed(job, "seal", 0, "The seal's answer makes no sense");
                return;
        }
        generation = g_new0(GenerationRow, 1);
        *generation = (GenerationRow){job->row->generation, host_now(), bytes, files, g_strdup(digest)};
        if (!overlay_publish(overlay, generation, job, &error))
                build_failed(job, "store", 0, error->message);
}

static void seal_started(Job *job, void *userdata)
{
        job_unstage(job, ""); /* a program that was killed may have left it */
        job_unstage(job, "seal");
}

static void on_seal_staged(Job *job, void *data)
{
        BuildStage *s = data;
        g_autofree char *source = g_strdup_printf(PATH_STAGING "/%s/overlay", s->name);
        const char *argv[] = {PATH_TREE_PROGRAM, "seal", "/overlay", NULL};
        SandboxBind binds[] = {{source, "/overlay", true}};
        g_autofree char *description =
                g_strdup_printf("Seal of overlay %s by job %s", job->row->subject_name, job->id);
        static const JobUnitHandlers handlers = {.started = seal_started, .gone = on_sealed};
        Output *output = NULL;
        int r = s->result < 0 ? s->result : output_new(&output);

        if (r < 0 || job_is_cancelled(job))
                build_failed(job, "sandbox-setup", 0, s->message ?: g_strerror(-r));
        if (r < 0 || job_is_cancelled(job)) {
                output_free(output);
                stage_free(s);
                return;
        }
        job_unit_run(job, "seal",
                &(SandboxSpec){
                        .description = description,
                        .argv = (char *const *)argv,
                        .binds = binds,
                        .n_binds = 1,
                        .working_directory = "/", /* the top may be unreadable, which the seal says */
                        .time_limit = SEAL_TIME_LIMIT,
                        .stdout_fd = output_fd(output),
                },
                &handlers, output);
        stage_free(s);
}

static void seal_begin(Job *job)
{
        if (job_enter_phase(job, "seal"))
                job_run_in_thread(job, stage_step, on_seal_staged, stage_new(job, true));
}

/* Script */

static void on_script_started(Job *job, void *userdata)
{
        job_unstage(job, "");
}

/* The result is in the store before the unit, which has it too, is stopped. */
static void on_script_ended(Job *job, const JobUnitResult *result, void *userdata)
{
        g_autoptr(GError) error = NULL;
        char *message = NULL;

        g_free(job->row->phase);
        job->row->phase = g_strdup("ended");
        if (!job_is_cancelled(job)) {
                g_free(job->row->result);
                job->row->result = g_strdup(result->result);
        }
        g_free(job->row->message);
        job->row->message = g_strdup(result->message);
        job->row->exit_status = result->exit_status;
        if (store_save_job(job->host->store, job->row, &message) < 0)
                g_warning("The result of job %s is not in the store yet: %s", job->id, message);
        g_free(message);
}

static void script_gone(Job *job)
{
        g_autofree char *result = g_strdup(job->row->result), *message = g_strdup(job->row->message);

        if (g_str_equal(result, "success"))
                seal_begin(job);
        else
                build_failed(job, result, job->row->exit_status, message);
}

static void on_script_gone(Job *job, const JobUnitResult *result, void *userdata)
{
        /* Its children may still be there. */
        if (!result->is_success && g_str_equal(job->row->result, "success"))
                build_failed(job, result->result, result->exit_status, result->message);
        else
                script_gone(job);
}

static const JobUnitHandlers script_handlers = {
        .started = on_script_started, .ended = on_script_ended, .gone = on_script_gone};

static void on_script_staged(Job *job, void *data)
{
        BuildStage *s = data;
        Overlay *overlay = overlay_by_id(job->host, job->row->overlay);
        const char *argv[] = {PATH_CONFINE_PROGRAM, "/bin/bash", "/script", NULL};
        const char *names[] = {"overlay", "cache", "script", "previous"};
        SandboxBind binds[G_N_ELEMENTS(names)];
        g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
        size_t n_binds = G_N_ELEMENTS(names) - (s->previous ? 0 : 1);
        g_autofree char *description =
                g_strdup_printf("Build of overlay %s by job %s", overlay->row->name, job->id);

        if (s->result < 0 || job_is_cancelled(job)) {
                build_failed(job, "sandbox-setup", 0, s->message ?: "");
                stage_free(s);
                return;
        }
        for (size_t n = 0; n < n_binds; n++) {
                char *source = g_strdup_printf(PATH_STAGING "/%s/%s", s->name, names[n]);
                char *target = g_strconcat("/", names[n], NULL);

                g_ptr_array_add(paths, source);
                g_ptr_array_add(paths, target);
                binds[n] = (SandboxBind){source, target, n >= 2};
        }
        job_unit_run(job, "",
                &(SandboxSpec){
                        .description = description,
                        .argv = (char *const *)argv,
                        .binds = binds,
                        .n_binds = n_binds,
                        .working_directory = "/overlay",
                        .has_network = true,
                        .denied = s->denied,
                        .time_limit = overlay->row->time_limit ?: job->host->settings->build_time_limit,
                        .stdout_fd = -1,
                },
                &script_handlers, NULL);
        stage_free(s);
}

void job_build_begin(Job *job)
{
        job_run_in_thread(job, stage_step, on_script_staged, stage_new(job, false));
}

static void on_leftover_gone(const char *result, const GError *error, void *userdata)
{
        Job *job = userdata;

        if (g_str_equal(job->row->phase, "seal"))
                seal_begin(job);
        else
                script_gone(job);
}

static void on_leftover_stopped(const char *result, const GError *error, void *userdata)
{
        Job *job = userdata;
        g_autofree char *unit = job_unit_make_name(job, g_str_equal(job->row->phase, "seal") ? "seal" : "");

        if (error) {
                build_failed(job, "stop", 0, error->message);
                return;
        }
        systemd1_reset_failed(job->host->systemd, unit, on_leftover_gone, job);
}

void job_build_resume(Job *job)
{
        bool is_seal = g_str_equal(job->row->phase, "seal");

        if (is_seal || g_str_equal(job->row->phase, "ended")) {
                /* Its unit may still be there; both steps can be done again. */
                g_autofree char *unit = job_unit_make_name(job, is_seal ? "seal" : "");

                systemd1_stop(job->host->systemd, unit, on_leftover_stopped, job);
        } else if (job_unit_adopt(job, "", &script_handlers, NULL)) {
                if (job_is_cancelled(job))
                        job_unit_stop(job->unit);
        } else if (job_is_cancelled(job))
                build_failed(job, "", 0, "");
        else {
                /* The program ended before the unit had begun: the build has its turn again, with a new
                 * number. */
                drop_generation(job);
                job_requeue(job);
        }
}
