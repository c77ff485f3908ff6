/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job-import.h"
#include "disk-limit.h"
#include "job-queue.h"
#include "job-seal.h"
#include "job-stage.h"
#include "job-thread.h"
#include "job-watch.h"
#include "output.h"
#include "overlay.h"
#include "paths.h"
#include "tree/measure.h"
#include "util.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* What the service promises: see "StillStarting". */
#define ANSWER_TIMEOUT_SEC 20

struct JobImport {
        Job *job;
        int fd;
        ImportSettings settings;
        ImportDone done; /* NULL when it has been answered */
        void *userdata;
        guint timer;
};

void import_settings_clear(ImportSettings *s)
{
        g_free(s->file_name);
        *s = (ImportSettings){};
}

static void import_answer(JobImport *import, const GError *error)
{
        ImportDone done = g_steal_pointer(&import->done);

        g_clear_handle_id(&import->timer, g_source_remove);
        if (done)
                done(import->job, error, import->userdata);
}

/* The unit has the descriptor, or there will be none. */
static void import_over(Job *job)
{
        JobImport *import = g_steal_pointer(&job->import);

        if (!import)
                return;
        import_answer(import, NULL);
        close_fd(&import->fd);
        import_settings_clear(&import->settings);
        g_free(import);
}

static gboolean on_answer_timeout(gpointer userdata)
{
        JobImport *import = userdata;
        g_autoptr(GError) error = g_error_new(HOST_ERROR, HOST_ERROR_STILL_STARTING,
                "Job %s (import of \"%s\") is starting still; look at it", import->job->id,
                import->job->row->subject_name);

        import->timer = 0;
        import_answer(import, error);
        return G_SOURCE_REMOVE;
}

/* Its unit */

static void on_started(Job *job, void *userdata)
{
        job_fill_started(job, NULL);
        import_over(job);
}

/* `userdata`: what it prints; NULL when it was started before this program was. */
static void on_ended(Job *job, const JobUnitResult *result, void *userdata)
{
        g_autofree char *text = userdata ? g_strchomp(output_read(userdata)) : g_strdup("");
        g_autofree char *limit = NULL;
        JobUnitResult told = *result;

        if (*text)
                told.message = text;
        if (g_str_equal(result->result, "exit-code")) {
                limit = disk_limit_explain(
                        overlay_by_id(job->host, job->row->overlay), result->exit_status, 0);
                if (result->exit_status == TREE_REFUSED)
                        told.result = (char *)"refused";
        }
        if (limit) {
                told.result = (char *)RESULT_DISK_LIMIT;
                told.message = limit;
        }
        job_fill_ended(job, &told, NULL);
}

static void on_gone(Job *job, const JobUnitResult *result, void *userdata)
{
        output_free(userdata);
        import_over(job); /* its start may never have been told, nor its state */
        job_fill_gone(job, result, NULL);
}

static const JobUnitHandlers unpack_handlers = {
        .started = on_started,
        .running = job_fill_running,
        .ended = on_ended,
        .gone = on_gone,
        .time_limit_hint = JOB_FILL_TIME_LIMIT_HINT,
};

static void run_unpacker(Job *job, const Stage *s, Output *output)
{
        Overlay *overlay = overlay_by_id(job->host, job->row->overlay);
        g_autofree char *bytes = g_strdup_printf("%" PRIu64, overlay_size_limit(overlay));
        g_autofree char *files = g_strdup_printf("%" PRIu64, overlay_file_limit(overlay));
        g_autofree char *description =
                g_strdup_printf("Import into overlay %s by job %s", overlay->row->name, job->id);
        g_autofree char *watcher = job_watch_unit_name(job);
        const char *name = job->import->settings.file_name ?: "";
        bool has_previous = s->parts & STAGE_PREVIOUS && s->previous;
        const char *argv[] = {
                PATH_UNPACK_PROGRAM, "/overlay", bytes, files, name, has_previous ? "/previous" : NULL, NULL};

        job_unit_run(job, "",
                &(SandboxSpec){
                        .description = description,
                        .argv = (char *const *)argv,
                        .binds = s->binds,
                        .n_binds = s->n_binds,
                        .working_directory = "/",
                        .file_size_limit = overlay_size_limit(overlay),
                        .bound_to = watcher,
                        .time_limit = overlay_time_limit(overlay),
                        .stdin_fd = job->import->fd,
                        .stdout_fd = output_fd(output),
                },
                &unpack_handlers, output);
}

static void on_watched(Job *job, bool is_watched, void *data)
{
        g_autoptr(Stage) s = data;
        Output *output = NULL;
        bool goes_on = is_watched && !job_is_cancelled(job);
        int r = goes_on ? output_new(&output) : 0;

        if (output) {
                run_unpacker(job, s, output);
                return;
        }
        if (goes_on) {
                g_autofree char *message =
                        g_strdup_printf("No memory file for what it says: %s; try again", g_strerror(-r));

                job_fill_ended(
                        job, &(JobUnitResult){.result = (char *)"sandbox-setup", .message = message}, NULL);
        }
        import_over(job);
        job_watch_end(job, job_fill_over);
}

static void on_staged(Job *job, void *data)
{
        g_autoptr(Stage) s = data;

        if (s->result >= 0 && !job_is_cancelled(job)) {
                job_watch_begin(job, false, on_watched, g_steal_pointer(&s));
                return;
        }
        import_over(job);
        job_seal_fail(job, "sandbox-setup", 0, s->message ?: "");
}

/* The beginning */

static void interrupted(Job *job)
{
        job_seal_discard(job, "interrupted", "service-restart", 0,
                "The service ended before the archive was handed on; import it again");
}

void job_import_begin(Job *job)
{
        unsigned parts = STAGE_NEXT;

        if (!job->import) { /* it was in the store as queued when the program ended */
                interrupted(job);
                return;
        }
        if (!job->import->settings.replaces)
                parts |= STAGE_PREVIOUS;
        job_run_in_thread(job, stage_step, on_staged, stage_new(job, "", parts));
}

/* The row may have more to say: it was cancelled, or the disk was too full. */
static void end_unbegun(Job *job)
{
        if (*job->row->result)
                job_fill_over(job);
        else
                interrupted(job);
}

static void on_leftover_gone(const char *result, const GError *error, void *userdata)
{
        job_watch_end(userdata, end_unbegun);
}

void job_import_resume(Job *job)
{
        g_autofree char *unit = job_unit_make_name(job, "");

        /* One that systemd has not told of yet is not to come to life later. */
        if (!job_fill_resume(job, &unpack_handlers))
                systemd1_stop(job->host->systemd, unit, on_leftover_gone, job);
}

/* Not fstat(2), which may ask whoever serves the file, and he may never answer. */
static gboolean check_archive(Overlay *o, int fd, GError **error)
{
        int flags = fcntl(fd, F_GETFL);
        struct statx facts = {};
        const char *reason = NULL;

        if (flags < 0 || flags & O_PATH || (flags & O_ACCMODE) == O_WRONLY)
                reason = "is not open for reading";
        else if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE, &facts) < 0 ||
                 !S_ISREG(facts.stx_mode))
                reason = "is no regular file; hand over an archive as a file";
        else if (facts.stx_size > overlay_size_limit(o))
                reason = "is larger than an overlay may be";
        if (reason)
                g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                        "Nothing is imported into overlay \"%s\": the descriptor %s", o->row->name, reason);
        return reason == NULL;
}

void job_import_start(
        Overlay *o, int fd, const ImportSettings *settings, uid_t uid, ImportDone done, void *userdata)
{
        g_autoptr(GError) error = NULL;
        Job *job = NULL;
        int slot = -1;

        if (check_archive(o, fd, &error) && disk_limit_check_free(o->host, o->row->name, &error))
                slot = job_find_slot(o->host, &error);
        if (slot >= 0)
                job = job_queue(o->host, overlay_job_row(o, JOB_IMPORT), uid, &error);
        if (!job) {
                done(NULL, error, userdata);
                return;
        }
        job->import = g_new(JobImport, 1);
        *job->import = (JobImport){job, fcntl(fd, F_DUPFD_CLOEXEC, 3),
                {settings->replaces, g_strdup(settings->file_name)}, done, userdata, 0};
        job->import->timer = g_timeout_add_seconds(ANSWER_TIMEOUT_SEC, on_answer_timeout, job->import);
        job_take_turn(job, slot);
        if (job_is_finished(job)) /* the store failed */
                import_over(job);
}
