/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job-rules.h"

#include "dbus/names.h"
#include <errno.h>

/* A build that runs may have read the script that was there before: only one that is queued is the same work.
 * A prune waits also for a deletion, which may be cancelled while it is queued. An import has no time to wait
 * for what makes a generation too; it begins beside the rest. */

#define ACTION(name) HOST_ACTION_PREFIX name
#define KIND(kind)   (1u << JOB_KIND_##kind)
#define MAKES        (KIND(BUILD) | KIND(IMPORT))
#define THE_INSTANCE (KIND(RESET_INSTANCE) | KIND(DELETE_INSTANCE))

/* clang-format off */
const JobRule job_rules[JOB_KINDS] = {
        /*                            name                 joins queued       joins running      refused by                    generation filter mounts action */
        [JOB_KIND_BUILD]           = {JOB_BUILD,           KIND(BUILD),       0,                 KIND(DELETE_OVERLAY),         true,      true,  false, ACTION("build-overlay")},
        [JOB_KIND_IMPORT]          = {JOB_IMPORT,          0,                 0,                 MAKES | KIND(DELETE_OVERLAY), true,      false, false, ACTION("manage-overlay")},
        [JOB_KIND_PRUNE]           = {JOB_PRUNE,           0,                 0,                 0,                            false,     false, false, ACTION("manage-overlay")},
        [JOB_KIND_WIPE_CACHE]      = {JOB_WIPE_CACHE,      KIND(WIPE_CACHE),  0,                 KIND(DELETE_OVERLAY),         false,     false, false, ACTION("manage-overlay")},
        [JOB_KIND_DELETE_OVERLAY]  = {JOB_DELETE_OVERLAY,  0,                 0,                 KIND(DELETE_OVERLAY),         false,     false, true,  ACTION("manage-overlay")},
        [JOB_KIND_RESET_INSTANCE]  = {JOB_RESET_INSTANCE,  0,                 0,                 THE_INSTANCE,                 false,     false, false, ACTION("manage-instance")},
        [JOB_KIND_DELETE_INSTANCE] = {JOB_DELETE_INSTANCE, 0,                 0,                 THE_INSTANCE,                 false,     false, false, ACTION("manage-instance")},
        [JOB_KIND_EMPTY_TRASH]     = {JOB_EMPTY_TRASH,     KIND(EMPTY_TRASH), KIND(EMPTY_TRASH), 0,                            false,     false, false, ACTION("manage-overlay")},
};
/* clang-format on */

int job_kind_from_string(const char *name)
{
        for (int kind = 0; kind < JOB_KINDS; kind++)
                if (g_str_equal(job_rules[kind].name, name))
                        return kind;
        return -EINVAL;
}

/* The emptying of the trash has no subject, and shares that with its like. */
static bool has_same_subject(const JobRow *a, const JobRow *b)
{
        return a->overlay == b->overlay && g_strcmp0(a->instance, b->instance) == 0;
}

JobMeeting job_rules_meet(const JobRow *job, const JobRow *earlier)
{
        const JobRule *rule = &job_rules[job_kind_from_string(job->kind)];
        unsigned kind = 1u << job_kind_from_string(earlier->kind);
        bool is_running = g_str_equal(earlier->state, "running");

        if (!has_same_subject(job, earlier) || (!is_running && !g_str_equal(earlier->state, "queued")))
                return JOB_BESIDE;
        if (rule->refused_by & kind)
                return JOB_REFUSED;
        return (is_running ? rule->joins_running : rule->joins_queued) & kind ? JOB_JOIN : JOB_AFTER;
}
