/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs: calls, their properties, and waiting for their end. */
#include "internal.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct Subject {
        char *instance, *overlay; /* at most one is not NULL; none when the job is about the trash */
} Subject;

typedef struct Uids {
        uint32_t *items;
        size_t n;
} Uids;

struct l4h_job {
        unsigned n_ref;
        uint64_t id;
        char *kind;
        Subject subject;
        char *state, *result, *message;
        int32_t exit_status;
        double progress;
        char *progress_text;
        Uids requesters;
        uint64_t queued_at, started_at, finished_at;
        char *unit;
};

static int subject_read(sd_bus_message *m, void *field)
{
        Subject *subject = field;
        const char *path;
        int r = sd_bus_message_read_basic(m, 'o', &path);
        if (r < 0 || strcmp(path, "/") == 0)
                return r;
        r = path_get_name(path, HOST_INSTANCE_PREFIX, &subject->instance);
        return r == -EBADMSG ? path_get_name(path, HOST_OVERLAY_PREFIX, &subject->overlay) : r;
}

static void subject_done(void *field)
{
        Subject *subject = field;
        free(subject->instance);
        free(subject->overlay);
}

static int uids_read(sd_bus_message *m, void *field)
{
        Uids *uids = field;
        const void *array;
        size_t size;
        int r = sd_bus_message_read_array(m, 'u', &array, &size);
        if (r < 0 || size == 0)
                return r;
        uids->items = malloc(size);
        if (!uids->items)
                return -ENOMEM;
        memcpy(uids->items, array, size);
        uids->n = size / sizeof *uids->items;
        return 0;
}

static void uids_done(void *field)
{
        free(((Uids *)field)->items);
}

static const FieldType field_subject = {"o", subject_read, subject_done};
static const FieldType field_uids = {"au", uids_read, uids_done};

const ObjectType job_type = {
        .interface = HOST_IFACE_JOB,
        .prefix = HOST_JOB_PREFIX,
        .getter = HOST_MEMBER_GetJob,
        .size = sizeof(struct l4h_job),
        .fields =
                (const Field[]){
                        FIELD(l4h_job, id, HOST_MEMBER_Id, uint64),
                        FIELD(l4h_job, kind, HOST_MEMBER_Kind, string),
                        FIELD(l4h_job, subject, HOST_MEMBER_Subject, subject),
                        FIELD(l4h_job, state, HOST_MEMBER_State, string),
                        FIELD(l4h_job, result, HOST_MEMBER_Result, string),
                        FIELD(l4h_job, message, HOST_MEMBER_Message, string),
                        FIELD(l4h_job, exit_status, HOST_MEMBER_ExitStatus, int32),
                        FIELD(l4h_job, progress, HOST_MEMBER_Progress, double),
                        FIELD(l4h_job, progress_text, HOST_MEMBER_ProgressText, string),
                        FIELD(l4h_job, requesters, HOST_MEMBER_Requesters, uids),
                        FIELD(l4h_job, queued_at, HOST_MEMBER_QueuedAt, uint64),
                        FIELD(l4h_job, started_at, HOST_MEMBER_StartedAt, uint64),
                        FIELD(l4h_job, finished_at, HOST_MEMBER_FinishedAt, uint64),
                        FIELD(l4h_job, unit, HOST_MEMBER_Unit, string),
                        {NULL},
                },
};

typedef char JobName[21]; /* 2^64 - 1 in decimal */

static const char *job_name(JobName name, uint64_t id)
{
        (void)snprintf(name, sizeof(JobName), "%" PRIu64, id);
        return name;
}

int l4h_job_find(l4h_host *host, uint64_t id, l4h_job **ret)
{
        JobName name;
        return call_find(host, &job_type, job_name(name, id), (void **)ret);
}

int l4h_job_read_log(l4h_host *host, uint64_t id, const char *cursor, uint32_t max, l4h_log **ret)
{
        JobName name;
        return call_read_log(host, &job_type, job_name(name, id), cursor, max, ret);
}

int l4h_job_cancel(l4h_host *host, uint64_t id)
{
        JobName name;
        return call_change(host, &job_type, job_name(name, id), HOST_MEMBER_Cancel, NULL, NULL);
}

static int match_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        *(bool *)userdata = true;
        return 0;
}

/* Has `*changed` set whenever the job's properties may be others: it says so itself, or the service went or
 * came back and may have found out in between. */
static int job_watch(
        l4h_host *host, uint64_t id, bool *changed, sd_bus_slot **ret_properties, sd_bus_slot **ret_owner)
{
        JobName name;
        _cleanup_free_ char *path = NULL;
        int r = object_path(&job_type, job_name(name, id), &path);
        if (r >= 0)
                r = sd_bus_match_signal(host->bus, ret_properties, HOST_BUS_NAME, path,
                        "org.freedesktop.DBus.Properties", "PropertiesChanged", match_changed, changed);
        if (r >= 0)
                r = sd_bus_add_match(host->bus, ret_owner,
                        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                        "member='NameOwnerChanged',arg0='" HOST_BUS_NAME "'",
                        match_changed, changed);
        return r;
}

int l4h_job_wait(l4h_host *host, uint64_t id, l4h_job **ret)
{
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *properties = NULL, *owner = NULL;
        bool changed = true;
        int r = job_watch(host, id, &changed, &properties, &owner);

        while (r >= 0) {
                if (changed) {
                        changed = false;
                        l4h_job *job = NULL;
                        r = l4h_job_find(host, id, &job);
                        if (r < 0)
                                return r;
                        if (l4h_job_is_finished(job)) {
                                *ret = job;
                                return 0;
                        }
                        l4h_job_unref(job);
                }
                r = sd_bus_process(host->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(host->bus, UINT64_MAX);
        }
        return host_fail(host, r, "Waiting for job %" PRIu64 " failed: %s.", id, strerror(-r));
}

const char *l4h_job_get_instance(const l4h_job *job)
{
        return job->subject.instance;
}

const char *l4h_job_get_overlay(const l4h_job *job)
{
        return job->subject.overlay;
}

bool l4h_job_is_finished(const l4h_job *job)
{
        return job->finished_at != 0;
}

bool l4h_job_is_successful(const l4h_job *job)
{
        return strcmp(l4h_job_get_state(job), HOST_JOB_DONE) == 0;
}

size_t l4h_job_get_requesters(const l4h_job *job, const uint32_t **ret)
{
        *ret = job->requesters.items;
        return job->requesters.n;
}

DEFINE_OBJECT_REF(job)
DEFINE_GETTER(job, get, uint64_t, id)
DEFINE_STRING_GETTER(job, kind)
DEFINE_STRING_GETTER(job, state)
DEFINE_STRING_GETTER(job, result)
DEFINE_STRING_GETTER(job, message)
DEFINE_GETTER(job, get, int32_t, exit_status)
DEFINE_GETTER(job, get, double, progress)
DEFINE_STRING_GETTER(job, progress_text)
DEFINE_GETTER(job, get, uint64_t, queued_at)
DEFINE_GETTER(job, get, uint64_t, started_at)
DEFINE_GETTER(job, get, uint64_t, finished_at)
DEFINE_STRING_GETTER(job, unit)
