/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job-seal.h"
#include "disk-limit.h"
#include "fault.h"
#include "job-progress.h"
#include "job-queue.h"
#include "job-stage.h"
#include "job-thread.h"
#include "job-watch.h"
#include "output.h"
#include "overlay.h"
#include "paths.h"
#include "seal-answer.h"
#include "tree/measure.h"

#include <inttypes.h>

#define SEAL_TIME_LIMIT (UINT64_C(3600) * G_USEC_PER_SEC)

/* The deletion is in the store before the job's own end is: a crash between the two deletes it once more,
 * which does no harm. */
void job_seal_drop(Job *job)
{
        Overlay *overlay = overlay_by_id(job->host, job->row->overlay);

        if (overlay && job->row->generation)
                overlay_drop_generation(overlay, job->row->generation);
}

void job_seal_discard(Job *job, const char *state, const char *result, int exit_status, const char *message)
{
        fault_point(FAULT_SEAL_DISCARD);
        job_unstage(job, "");
        job_unstage(job, JOB_WATCH_SUFFIX);
        job_unstage(job, "seal");
        job_seal_drop(job);
        job_finish(job, state, result, exit_status, message);
}

void job_seal_fail(Job *job, const char *result, int exit_status, const char *message)
{
        if (job_is_cancelled(job))
                job_seal_discard(job, "cancelled", "cancelled", exit_status, "It was cancelled");
        else
                job_seal_discard(job, "failed", result, exit_status, message);
}

static void publish(Job *job, const SealAnswer *answer)
{
        Overlay *overlay = overlay_by_id(job->host, job->row->overlay);
        const GenerationRow *current = overlay_current(overlay);
        g_autoptr(GError) error = NULL;
        GenerationRow *generation;

        if (current && g_str_equal(current->digest, answer->digest)) {
                g_autofree char *message = g_strdup_printf(
                        "Nothing changed: what it made is equal to generation %" PRIu64 ", which stays",
                        current->number);

                job_seal_discard(job, "done", "success", 0, message);
                return;
        }
        generation = g_new0(GenerationRow, 1);
        *generation = (GenerationRow){
                job->row->generation, host_now(), answer->bytes, answer->files, g_strdup(answer->digest)};
        if (!overlay_publish(overlay, generation, job, &error))
                job_seal_fail(job, "store", 0, error->message);
}

static void on_sealed(Job *job, const JobUnitResult *result, void *userdata)
{
        g_autoptr(Output) output = userdata;
        g_autofree char *text = g_strchomp(output_read(output)), *message = NULL;
        SealAnswer answer;

        fault_point(FAULT_SEAL_ENDED);
        if (job_is_cancelled(job) || !result->is_success) {
                bool is_refused = result->exit_status == TREE_REFUSED && *text;

                job_seal_fail(job, is_refused ? "refused" : result->result, result->exit_status,
                        is_refused ? text : result->message);
                return;
        }
        if (!seal_answer_parse(text, &answer)) {
                job_seal_fail(job, "seal", 0, "The seal's answer makes no sense");
                return;
        }
        message = disk_limit_explain_sealed(
                overlay_by_id(job->host, job->row->overlay), answer.bytes, answer.files);
        if (message)
                job_seal_fail(job, RESULT_DISK_LIMIT, 0, message);
        else
                publish(job, &answer);
}

static void seal_started(Job *job, void *userdata)
{
        job_unstage(job, ""); /* a program that was killed may have left it */
        job_unstage(job, "seal");
}

static void on_seal_staged(Job *job, void *data)
{
        g_autoptr(Stage) s = data;
        const char *argv[] = {PATH_TREE_PROGRAM, "seal", "/overlay", NULL};
        g_autofree char *description =
                g_strdup_printf("Seal of overlay %s by job %s", job->row->subject_name, job->id);
        static const JobUnitHandlers handlers = {.started = seal_started,
                .gone = on_sealed,
                .time_limit_hint = "no setting gives the seal more: make the overlay smaller"};
        Output *output = NULL;
        int r = s->result < 0 ? s->result : output_new(&output);

        if (r < 0 || job_is_cancelled(job)) {
                job_seal_fail(job, "sandbox-setup", 0, s->message ?: g_strerror(-r));
                output_free(output);
                return;
        }
        job_unit_run(job, "seal",
                &(SandboxSpec){
                        .description = description,
                        .argv = (char *const *)argv,
                        .binds = s->binds,
                        .n_binds = s->n_binds,
                        .working_directory = "/", /* the top may be unreadable, which the seal says */
                        .time_limit = SEAL_TIME_LIMIT,
                        .stdout_fd = output_fd(output),
                },
                &handlers, output);
}

static void seal_begin(Job *job)
{
        if (job_enter_phase(job, "seal"))
                job_run_in_thread(
                        job, stage_step, on_seal_staged, stage_new(job, "seal", STAGE_FILLED | STAGE_FINAL));
}

/* The unit that fills */

void job_fill_started(Job *job, void *userdata)
{
        job_unstage(job, "");
        job_progress_begin(job);
}

void job_fill_running(Job *job, void *userdata)
{
        job_watch_hold(job, job_unit_control_group(job->unit));
}

static void set_result(Job *job, const char *result, const char *message)
{
        g_free(job->row->result);
        job->row->result = g_strdup(result);
        g_free(job->row->message);
        job->row->message = g_strdup(message);
}

/* The result is in the store before the unit, which has it too, is stopped. */
void job_fill_ended(Job *job, const JobUnitResult *result, void *userdata)
{
        char *message = NULL;
        g_autofree char *limit = disk_limit_explain_end(
                overlay_by_id(job->host, job->row->overlay), result->result, result->exit_status);

        g_free(job->row->phase);
        job->row->phase = g_strdup("ended");
        job->row->exit_status = result->exit_status;
        /* The watcher may have said already why it was ended. */
        if (!*job->row->result)
                set_result(job, limit ? RESULT_DISK_LIMIT : result->result, limit ?: result->message);
        if (store_save_job(job->host->store, job->row, &message) < 0)
                g_warning("The result of job %s is not in the store yet: %s", job->id, message);
        fault_point(FAULT_FILL_ENDED);
        g_free(message);
}

void job_fill_over(Job *job)
{
        g_autofree char *result = g_strdup(job->row->result), *message = g_strdup(job->row->message);

        if (g_str_equal(result, "success"))
                seal_begin(job);
        else
                job_seal_fail(job, result, job->row->exit_status, message);
}

void job_fill_gone(Job *job, const JobUnitResult *result, void *userdata)
{
        /* Its children may still be there. */
        if (!result->is_success && g_str_equal(job->row->result, "success"))
                set_result(job, result->result, result->message);
        job_watch_end(job, job_fill_over);
}

/* After the program's own restart */

static bool is_sealing(Job *job)
{
        return g_str_equal(job->row->phase, "seal");
}

static void on_leftover_gone(const char *result, const GError *error, void *userdata)
{
        Job *job = userdata;

        if (is_sealing(job))
                seal_begin(job);
        else
                job_watch_end(job, job_fill_over);
}

static void on_leftover_stopped(const char *result, const GError *error, void *userdata)
{
        Job *job = userdata;
        g_autofree char *unit = job_unit_make_name(job, is_sealing(job) ? "seal" : "");

        if (error) {
                job_seal_fail(job, "stop", 0, error->message);
                return;
        }
        systemd1_reset_failed(job->host->systemd, unit, on_leftover_gone, job);
}

bool job_fill_resume(Job *job, const JobUnitHandlers *handlers)
{
        g_autofree char *unit = job_unit_make_name(job, is_sealing(job) ? "seal" : "");

        if (is_sealing(job) || g_str_equal(job->row->phase, "ended")) {
                /* Its unit may still be there; both steps can be done again. */
                systemd1_stop(job->host->systemd, unit, on_leftover_stopped, job);
                return true;
        }
        if (!job_unit_adopt(job, "", handlers, NULL))
                return false;
        job_watch_adopt(job);
        if (job_is_cancelled(job))
                job_unit_stop(job->unit);
        return true;
}
