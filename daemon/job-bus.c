/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.left4me.Host1.Job, see dbus/org.left4me.Host1.Job.xml. */
#include "job-log.h"
#include "job-progress.h"
#include "job-unit.h"
#include "job.h"
#include "log-bus.h"
#include "objects.h"
#include "overlay.h"
#include "property.h"

#include "dbus/names.h"

static int method_cancel(sd_bus_message *m, void *job, sd_bus_error *ret_error)
{
        Call *call = objects_take_call_without_options(m);
        g_autoptr(GError) error = NULL;

        if (!call)
                return 1;
        return job_cancel(job, call_uid(call), !call->as_requester, &error) ? call_reply(call)
                                                                            : call_fail(call, error);
}

static int method_open_log(sd_bus_message *m, void *job, sd_bus_error *ret_error)
{
        Call *call = objects_take_call(m);
        g_autoptr(GError) error = NULL;
        g_autoptr(Log) log = job_log_new(job, &error);

        return log ? log_bus_open(call, ((Job *)job)->host, log, job_log_is_whole(job))
                   : call_fail(call, error);
}

static int method_read_log(sd_bus_message *m, void *job, sd_bus_error *ret_error)
{
        Call *call = objects_take_call(m);
        g_autoptr(GError) error = NULL;
        g_autoptr(Log) log = job_log_new(job, &error);

        return log ? log_bus_read(call, ((Job *)job)->host, log) : call_fail(call, error);
}

PROPERTY(property_get_id, Job, job, "t", job->row->id)
PROPERTY(property_get_kind, Job, job, "s", job->row->kind)
PROPERTY(property_get_state, Job, job, "s", job->row->state)
/* The row may know more already: what a script ended with, before its tree is sealed. */
#define ENDED(job, field, before) (job_is_finished(job) ? (job)->row->field : (before))

PROPERTY(property_get_result, Job, job, "s", ENDED(job, result, ""))
PROPERTY(property_get_message, Job, job, "s", ENDED(job, message, ""))
PROPERTY(property_get_exit_status, Job, job, "i", ENDED(job, exit_status, 0))
PROPERTY(property_get_progress, Job, job, "d", job_progress_number(job))
PROPERTY(property_get_progress_text, Job, job, "s", job_progress_text(job))
PROPERTY(property_get_queued_at, Job, job, "t", job->row->queued_at)
PROPERTY(property_get_started_at, Job, job, "t", job->row->started_at)
PROPERTY(property_get_finished_at, Job, job, "t", job->row->finished_at)

/* As it was called when the job was made: the subject may be gone, and another have its name. */
static int property_get_subject(sd_bus *bus, const char *path, const char *interface, const char *name,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        const JobRow *row = ((Job *)userdata)->row;

        return objects_append_path(reply, row->instance ? HOST_INSTANCE_PREFIX : HOST_OVERLAY_PREFIX,
                *row->subject_name ? row->subject_name : NULL);
}

static int property_get_requesters(sd_bus *bus, const char *path, const char *interface, const char *name,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        const GArray *requesters = ((Job *)userdata)->row->requesters;

        return sd_bus_message_append_array(reply, 'u', requesters->data, requesters->len * sizeof(uint32_t));
}

/* The first unit stays the answer when it is gone: its log has this name. */
static int property_get_unit(sd_bus *bus, const char *path, const char *interface, const char *name,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        Job *job = userdata;
        g_autofree char *last = job_unit_make_name(job, job->rule->makes_generation ? "" : "empty");

        return sd_bus_message_append(reply, "s",
                job->unit            ? job_unit_name(job->unit)
                : job_is_queued(job) ? ""
                                     : last);
}

const sd_bus_vtable job_vtable[] = {
        SD_BUS_VTABLE_START(SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_cancel,
                SD_BUS_VTABLE_UNPRIVILEGED),
        LOG_METHODS(method_open_log, method_read_log),
        SD_BUS_PROPERTY("Id", "t", property_get_id, 0, CONST),
        SD_BUS_PROPERTY("Kind", "s", property_get_kind, 0, CONST),
        SD_BUS_PROPERTY("Subject", "o", property_get_subject, 0, CONST),
        SD_BUS_PROPERTY("State", "s", property_get_state, 0, CHANGES),
        SD_BUS_PROPERTY("Result", "s", property_get_result, 0, CHANGES),
        SD_BUS_PROPERTY("Message", "s", property_get_message, 0, CHANGES),
        SD_BUS_PROPERTY("ExitStatus", "i", property_get_exit_status, 0, CHANGES),
        SD_BUS_PROPERTY("Progress", "d", property_get_progress, 0, CHANGES),
        SD_BUS_PROPERTY("ProgressText", "s", property_get_progress_text, 0, CHANGES),
        SD_BUS_PROPERTY("Requesters", "au", property_get_requesters, 0, CHANGES),
        SD_BUS_PROPERTY("QueuedAt", "t", property_get_queued_at, 0, CONST),
        SD_BUS_PROPERTY("StartedAt", "t", property_get_started_at, 0, CHANGES),
        SD_BUS_PROPERTY("FinishedAt", "t", property_get_finished_at, 0, CHANGES),
        SD_BUS_PROPERTY("Unit", "s", property_get_unit, 0, CHANGES),
        SD_BUS_VTABLE_END,
};
