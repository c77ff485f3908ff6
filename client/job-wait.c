/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting for the end of a job: its properties are read once, and again whenever they may be others. That is
 * when it says so itself, and when the service went or came back and may have found out in between. */
#include "internal.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct Wait {
        uint64_t id;
        l4h_slot *reading;
        bool is_stale; /* what is being read may be old by now */
} Wait;

static void wait_free(void *state)
{
        Wait *wait = state;
        l4h_slot_unref(wait->reading);
        free(wait);
}

static void wait_finish(l4h_slot *slot, int r, l4h_job *job)
{
        l4h_host *host = l4h_ref(slot->host);
        Wait *wait = slot->state;
        wait->reading = l4h_slot_unref(wait->reading);
        slot_end(slot);
        answer_job.tell(slot->handler, host, r, &job, slot->userdata);
        l4h_unref(host);
}

static int wait_read(l4h_slot *slot);

static void on_job(l4h_host *host, int r, l4h_job *job, void *userdata)
{
        _cleanup_(slot_unrefp) l4h_slot *slot = l4h_slot_ref(userdata);
        Wait *wait = slot->state;
        wait->reading = l4h_slot_unref(wait->reading);
        if (r >= 0 && !l4h_job_is_finished(job)) {
                if (!wait->is_stale)
                        return;
                r = wait_read(slot);
                if (r >= 0)
                        return;
        }
        wait_finish(slot, r, r < 0 ? NULL : job);
}

static int wait_read(l4h_slot *slot)
{
        Wait *wait = slot->state;
        wait->is_stale = false;
        int r = l4h_job_find_async(slot->host, wait->id, on_job, slot, &wait->reading);
        if (r >= 0)
                slot_borrow_host(wait->reading);
        return r;
}

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        _cleanup_(slot_unrefp) l4h_slot *slot = l4h_slot_ref(userdata);
        Wait *wait = slot->state;
        wait->is_stale = true;
        if (wait->reading)
                return 0;
        int r = wait_read(slot);
        if (r < 0)
                wait_finish(slot, r, NULL);
        return 0;
}

static int on_lost(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        _cleanup_(slot_unrefp) l4h_slot *slot = l4h_slot_ref(userdata);
        wait_finish(slot, host_fail_lost(slot->host), NULL);
        return 0;
}

int l4h_job_wait_async(
        l4h_host *host, uint64_t id, l4h_job_handler handler, void *userdata, l4h_slot **ret_slot)
{
        _cleanup_(slot_unrefp) l4h_slot *slot = NULL;
        _cleanup_free_ char *path = NULL, *rule = NULL;
        Wait *wait = calloc(1, sizeof *wait);
        int r = slot_new(host, (Handler)handler, userdata, wait, wait_free, &slot);
        if (r < 0)
                return r;
        wait->id = id;
        r = object_path(&job_type, JOB_NAME(id), &path);
        if (r >= 0 && asprintf(&rule, "path='%s'", path) < 0)
                r = -ENOMEM;
        if (r >= 0)
                r = slot_follow(slot, rule, on_changed, on_changed, on_lost);
        if (r < 0)
                return host_fail(host, r, "Waiting for job %" PRIu64 " cannot begin: %s.", id, strerror(-r));
        r = wait_read(slot);
        if (r < 0)
                return r;
        slot_give(slot, ret_slot);
        slot = NULL;
        return 0;
}

/* What the form that waits is told. */
typedef struct Outcome {
        bool is_there;
        int r;
        l4h_job *job;
} Outcome;

static void on_outcome(l4h_host *host, int r, l4h_job *job, void *userdata)
{
        *(Outcome *)userdata = (Outcome){true, r, r < 0 ? NULL : l4h_job_ref(job)};
}

int l4h_job_wait(l4h_host *host, uint64_t id, l4h_job **ret)
{
        _cleanup_(slot_unrefp) l4h_slot *slot = NULL;
        Outcome outcome = {0};
        int r = l4h_job_wait_async(host, id, on_outcome, &outcome, &slot);
        if (r < 0)
                return r;
        while (r >= 0 && !outcome.is_there) {
                r = sd_bus_process(host->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(host->bus, UINT64_MAX);
        }
        if (!outcome.is_there)
                return host_fail(host, r, "Waiting for job %" PRIu64 " failed: %s.", id, strerror(-r));
        if (outcome.r >= 0)
                *ret = outcome.job;
        return outcome.r;
}
