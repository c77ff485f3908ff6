/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One method call on its way through the service: held by the gate, then with the handler until it is
 * answered. Handlers of calls that take time or change something take it, and answer through it alone, so
 * that the audit's second entry and the caller's limit are never forgotten. */
#pragma once

#include "authority.h"
#include "caller.h"
#include "host.h"
#include <systemd/sd-bus.h>

typedef struct Gate Gate;
typedef struct GateRow GateRow;

typedef struct Call {
        Gate *gate;
        sd_bus_message *message;
        const GateRow *row;
        Caller *caller;
        uint64_t id;         /* LEFT4ME_CALL */
        const char *action;  /* polkit's, full; the row's, or the one the row's function chose */
        GHashTable *details; /* for polkit's rules: instance, overlay, job, verb */
        char *on_behalf_of;  /* from the options; NULL when not given */
        bool as_requester;   /* Cancel: by a requester of the job */
        enum { CALL_CHECKING, CALL_PROMPTING, CALL_ALLOWED } state;
        size_t size;           /* of the message */
        Held *held;            /* where it is counted, or NULL */
        AuthorityCheck *check; /* at work, or NULL */
        GQueue *line;          /* it stands in, or NULL */
} Call;

/* In a handler: the call of this message, the handler's now. */
Call *call_take(Gate *gate, sd_bus_message *m);

/* The answers; each ends the call and frees it, and returns 1 for the handler to return. A path is that of
 * object `id` below `prefix`. */
int call_reply(Call *call);
int call_reply_strv(Call *call, char **strings);
int call_reply_path(Call *call, const char *prefix, const char *id);
int call_reply_job(Call *call, const Job *job);
/* `answer` as the caller has made it; `r` negative: it could not be made. Takes nothing. */
int call_reply_message(Call *call, sd_bus_message *answer, int r);
int call_fail(Call *call, const GError *error);
/* A HostDone for operations that answer with nothing; `userdata` is the Call. */
void call_done(const GError *error, void *call);

uid_t call_uid(const Call *call);
void call_free(Call *call);
