/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job-unit.h"
#include "fault.h"

#include "dbus/names.h"
#include <signal.h>
#include <string.h>

/* Answers of systemd carry this handle, not the unit: the job may be freed before they come. */
typedef struct UnitHandle {
        JobUnit *unit; /* NULL once it was freed */
        unsigned references;
} UnitHandle;

struct JobUnit {
        Job *job;
        JobUnit **place; /* in the job: where it is while it is */
        char *name;
        char *control_group;
        JobUnitHandlers handlers;
        void *userdata;
        UnitHandle *handle;
        bool is_followed; /* its states count: its start is over, or it was adopted */
        bool is_reading;  /* its state is being asked for */
        bool was_started; /* handlers.started was called */
        bool was_running; /* handlers.running was called */
        bool has_ended;
        JobUnitResult result;
};

static UnitHandle *handle_ref(UnitHandle *h)
{
        h->references++;
        return h;
}

static JobUnit *handle_unref(UnitHandle *h)
{
        JobUnit *unit = h->unit;

        if (--h->references == 0)
                g_free(h);
        return unit;
}

/* Each is a step of some kind of job. */
static const char *const suffixes[] = {"", "seal", "empty", JOB_WATCH_SUFFIX};

char **job_unit_make_all_names(const Job *job)
{
        char **names = g_new0(char *, G_N_ELEMENTS(suffixes) + 1);

        for (size_t n = 0; n < G_N_ELEMENTS(suffixes); n++)
                names[n] = job_unit_make_name(job, suffixes[n]);
        return names;
}

static bool is_known_suffix(const char *suffix)
{
        for (size_t n = 0; n < G_N_ELEMENTS(suffixes); n++)
                if (g_str_equal(suffix, suffixes[n]))
                        return true;
        return false;
}

char *job_unit_make_name(const Job *job, const char *suffix)
{
        return g_strdup_printf(HOST_JOB_UNIT_PREFIX "%s%s%s.service", job->id, *suffix ? "-" : "", suffix);
}

const char *job_unit_name(const JobUnit *unit)
{
        return unit->name;
}

void *job_unit_userdata(const JobUnit *unit)
{
        return unit->userdata;
}

const char *job_unit_control_group(const JobUnit *unit)
{
        return unit->control_group;
}

static JobUnit *job_unit_new(Job *job, const char *suffix, const JobUnitHandlers *handlers, void *userdata)
{
        JobUnit *u = g_new0(JobUnit, 1);

        g_assert(is_known_suffix(suffix));
        u->job = job;
        u->place = g_str_equal(suffix, JOB_WATCH_SUFFIX) ? &job->watch : &job->unit;
        g_assert(!*u->place);
        u->name = job_unit_make_name(job, suffix);
        u->handlers = *handlers;
        u->userdata = userdata;
        u->handle = g_new0(UnitHandle, 1);
        u->handle->unit = u;
        handle_ref(u->handle);
        *u->place = u;
        job_changed(job, "Unit");
        return u;
}

void job_unit_free(JobUnit *u)
{
        if (!u)
                return;
        u->handle->unit = NULL;
        handle_unref(u->handle);
        g_free(u->result.result);
        g_free(u->result.message);
        g_free(u->control_group);
        g_free(u->name);
        g_free(u);
}

static void on_gone(const char *result, const GError *error, void *userdata)
{
        JobUnit *u = handle_unref(userdata);
        Job *job;

        if (!u)
                return;
        if (error)
                g_warning("%s", error->message);
        job = u->job;
        *u->place = NULL;
        job_changed(job, "Unit");
        fault_point(FAULT_UNIT_GONE);
        u->handlers.gone(job, &u->result, u->userdata);
        job_unit_free(u);
}

static void set_result(JobUnit *u, bool is_success, const char *result, int status, char *message)
{
        u->result.is_success = is_success;
        g_free(u->result.result);
        u->result.result = g_strdup(result);
        u->result.exit_status = status;
        g_free(u->result.message);
        u->result.message = message;
}

static void on_final_stop(const char *result, const GError *error, void *userdata)
{
        UnitHandle *h = userdata;
        JobUnit *u = h->unit;

        if (!u) {
                handle_unref(h);
                return;
        }
        fault_point(FAULT_UNIT_STOPPED);
        /* What it wrote counts only when nothing of it can still write. */
        if (u->result.is_success && (error || !g_str_equal(result, "done")))
                set_result(u, false, "stop", 0,
                        g_strdup_printf("%s could not be stopped (%s), so what it left cannot be used",
                                u->name, error ? error->message : result));
        else if (error)
                g_warning("%s", error->message);
        /* A failed unit keeps its name until this. */
        systemd1_reset_failed(h->unit->job->host->systemd, h->unit->name, on_gone, h);
}

static void unit_wind_up(JobUnit *u)
{
        if (u->handlers.ended)
                u->handlers.ended(u->job, &u->result, u->userdata);
        systemd1_stop(u->job->host->systemd, u->name, on_final_stop, handle_ref(u->handle));
        fault_point(FAULT_UNIT_STOP_SENT);
}

static void on_system_state(const char *state, const GError *error, void *userdata)
{
        JobUnit *u = handle_unref(userdata);

        if (!u)
                return;
        if (!error && g_str_equal(state, "stopping"))
                g_message("%s ended with the host; what becomes of job %s is decided at the next boot",
                        u->name, u->job->id);
        else
                unit_wind_up(u);
}

/* Who is ended by the host's shutdown has not failed. */
static void unit_ended(JobUnit *u)
{
        if (u->has_ended)
                return;
        u->has_ended = true;
        fault_point(FAULT_UNIT_ENDED);
        if (u->result.is_success)
                unit_wind_up(u);
        else
                systemd1_system_state(u->job->host->systemd, on_system_state, handle_ref(u->handle));
}

static void unit_note_started(JobUnit *u)
{
        if (!u->was_started && u->handlers.started)
                u->handlers.started(u->job, u->userdata);
        u->was_started = true;
}

static void unit_note_running(JobUnit *u, const UnitState *s)
{
        if (u->was_running)
                return;
        u->was_running = true;
        u->control_group = g_strdup(s->control_group);
        if (u->handlers.running)
                u->handlers.running(u->job, u->userdata);
}

static void set_signal_result(JobUnit *u, const char *result, int signal)
{
        set_result(u, false, result, signal,
                g_strdup_printf("It was ended by signal %d (%s); see journalctl -u %s", signal,
                        strsignal(signal), u->name));
}

static void set_stopped_result(JobUnit *u, const UnitState *s)
{
        set_result(u, false, "stopped", s->exec_main_status, g_strdup_printf("%s was stopped", u->name));
}

/* systemd calls it a timeout too when who was stopped did not end in time. */
static void set_timeout_result(JobUnit *u, const UnitState *s)
{
        if (host_now() - s->started_at < s->time_limit)
                set_stopped_result(u, s);
        else
                set_result(u, false, s->result, s->exec_main_status,
                        g_strdup_printf("It took longer than its time limit of %g s, and was ended; %s",
                                (double)s->time_limit / G_USEC_PER_SEC, u->handlers.time_limit_hint));
}

/* Its start is over, so this state is of the process. */
static void unit_judge(JobUnit *u, const UnitState *s)
{
        if (u->has_ended || g_str_equal(s->active_state, "activating"))
                return;
        unit_note_started(u);
        if (g_str_equal(s->active_state, "deactivating"))
                return;
        if (g_str_equal(s->active_state, "active")) {
                if (!g_str_equal(s->sub_state, "exited")) {
                        unit_note_running(u, s);
                        return;
                }
                /* systemd takes SIGTERM, SIGINT, SIGHUP and SIGPIPE for a clean end. A build that died of one
                 * is not whole. */
                if (s->exec_main_code == CLD_EXITED && s->exec_main_status == 0)
                        set_result(u, true, "success", 0, g_strdup(""));
                else
                        set_signal_result(u, "signal", s->exec_main_status);
        } else if (g_str_equal(s->result, "success"))
                /* By its end status it may look done: only who ended by itself, in the branch above, is. */
                set_stopped_result(u, s);
        else if (g_str_equal(s->result, "exit-code"))
                set_result(u, false, s->result, s->exec_main_status,
                        g_strdup_printf("It ended with status %d; see journalctl -u %s", s->exec_main_status,
                                u->name));
        else if (g_str_equal(s->result, "signal") || g_str_equal(s->result, "core-dump"))
                set_signal_result(u, s->result, s->exec_main_status);
        else if (g_str_equal(s->result, "timeout"))
                set_timeout_result(u, s);
        else if (g_str_equal(s->result, "oom-kill"))
                set_result(u, false, s->result, s->exec_main_status,
                        g_strdup("It needed more memory than a job may have, and was ended"));
        else
                set_result(u, false, s->result, s->exec_main_status,
                        g_strdup_printf("It failed (%s); see journalctl -u %s", s->result, u->name));
        unit_ended(u);
}

/* Of a unit whose start failed. That alone says little: a process that ends at once may be gone before
 * systemd has seen that it was executed. 200 to 243 are systemd's own statuses (systemd.exec(5), "Process
 * exit codes"). */
static bool is_setup_failure(const UnitState *s)
{
        if (g_str_equal(s->result, "exit-code"))
                return s->exec_main_status >= 200 && s->exec_main_status <= 243;
        return g_str_equal(s->result, "resources");
}

static void on_read(const UnitState *state, const GError *error, void *userdata)
{
        JobUnit *u = handle_unref(userdata);

        if (!u)
                return;
        u->is_reading = false;
        if (u->has_ended)
                return;
        if (error) {
                set_result(u, false, "lost", 0, g_strdup(error->message));
                unit_ended(u);
        } else if (!u->result.has_started && is_setup_failure(state)) {
                set_result(u, false, "sandbox-setup", state->exec_main_status,
                        g_strdup_printf("The sandbox could not be set up (status %d); see journalctl -u %s",
                                state->exec_main_status, u->name));
                unit_ended(u);
        } else
                unit_judge(u, state);
}

/* What comes meanwhile says nothing new: systemd answers later than it told that. */
static void unit_read(JobUnit *u)
{
        u->is_followed = u->is_reading = true;
        systemd1_read(u->job->host->systemd, u->name, on_read, handle_ref(u->handle));
}

static void on_started(const char *result, const GError *error, void *userdata)
{
        JobUnit *u = handle_unref(userdata);

        if (!u)
                return;
        fault_point(FAULT_UNIT_STARTED);
        /* "exists": systemd lost its answer by executing itself anew, and the unit may be starting still. */
        if (error || !g_str_equal(result, "exists"))
                unit_note_started(u);
        if (error) {
                set_result(u, false, "sandbox-setup", 0, g_strdup(error->message));
                unit_ended(u);
                return;
        }
        u->result.has_started = !g_str_equal(result, "failed");
        /* States seen so far were of the unit's birth; from here on they count. */
        unit_read(u);
}

void job_unit_run(
        Job *job, const char *suffix, SandboxSpec *spec, const JobUnitHandlers *handlers, void *userdata)
{
        JobUnit *u = job_unit_new(job, suffix, handlers, userdata);

        spec->job = job->row->id;
        spec->slot = (unsigned)job->row->slot;
        fault_point(FAULT_UNIT_ASKED);
        systemd1_start_transient(job->host->systemd, u->name, spec, on_started, handle_ref(u->handle));
        fault_point(FAULT_UNIT_SENT);
}

bool job_unit_adopt(Job *job, const char *suffix, const JobUnitHandlers *handlers, void *userdata)
{
        g_autofree char *name = job_unit_make_name(job, suffix);
        const UnitState *state = systemd1_unit(job->host->systemd, name);
        JobUnit *u;

        if (!g_str_equal(state->load_state, "loaded") ||
                (g_str_equal(state->active_state, "inactive") && !state->started_at))
                return false;
        u = job_unit_new(job, suffix, handlers, userdata);
        u->result.has_started = true;
        unit_read(u);
        return true;
}

static void on_stop_asked(const char *result, const GError *error, void *userdata)
{
        if (error)
                g_warning("%s", error->message);
}

void job_unit_stop(JobUnit *u)
{
        if (!u->has_ended)
                systemd1_stop(u->job->host->systemd, u->name, on_stop_asked, NULL);
}

void job_unit_kill(JobUnit *u)
{
        if (!u->has_ended)
                systemd1_kill(u->job->host->systemd, u->name);
}

void job_unit_notice(JobUnit *u, const char *name)
{
        if (u->is_followed && !u->is_reading && !u->has_ended && g_str_equal(name, u->name))
                unit_read(u);
}
