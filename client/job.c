/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs: calls, and their properties. */
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

static const FieldType field_subject = {"o", sizeof(Subject), subject_read, subject_done};
static const FieldType field_uids = {"au", sizeof(Uids), uids_read, uids_done};

const ObjectType job_type = {
        .interface = HOST_IFACE_JOB,
        .prefix = HOST_JOB_PREFIX,
        .noun = "job",
        .missing = HOST_ERROR_NO_SUCH_JOB,
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

const char *job_name(JobName name, uint64_t id)
{
        (void)snprintf(name, sizeof(JobName), "%" PRIu64, id);
        return name;
}

DEFINE_CALL(l4h_job_cancel, CALL_CHANGE(job, JOB_NAME(id), Cancel), l4h_host *host, uint64_t id)
DEFINE_CALL_RETURNING(l4h_job_find, job, l4h_job *, CALL_FIND(job, JOB_NAME(id)), l4h_host *host, uint64_t id)
DEFINE_CALL_RETURNING(l4h_job_open_log, pipe, int, CALL_CHANGE(job, JOB_NAME(id), OpenLog, .log = options),
        l4h_host *host, uint64_t id, const l4h_log_options *options)
DEFINE_CALL_RETURNING(l4h_job_read_log, log, l4h_log *,
        CALL_READ(job, JOB_NAME(id), ReadLog, .strings = {cursor}, .max = &max), l4h_host *host, uint64_t id,
        const char *cursor, uint32_t max)

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

DEFINE_OBJECT(job)
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
