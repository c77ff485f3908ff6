/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is behind a unique name on the bus: asked of the bus once, forgotten when the name goes. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

typedef struct Callers Callers;

/* What somebody's calls that are not answered make the service hold. */
typedef struct Held {
        unsigned calls;
        size_t bytes; /* of their messages */
} Held;

typedef struct Caller {
        Callers *callers;
        unsigned references;
        char *name;    /* unique name */
        bool is_known; /* the bus has answered; until then uid is not valid */
        bool is_gone;  /* left the bus, or the bus would not tell */
        uid_t uid;
        pid_t pid;      /* for the audit alone: pids are reused */
        char *unit;     /* the unit it runs in, "" when unknown */
        GQueue waiting; /* CallerWait */
        Held held;      /* until it is known; then the user has it */
} Caller;

typedef void (*CallerKnown)(Caller *caller, void *userdata);
typedef void (*CallerGone)(Caller *caller, void *userdata);

int callers_new(sd_bus *bus, CallerGone gone, void *userdata, Callers **ret_callers);
void callers_free(Callers *callers);

/* Returns: the caller of this unique name, a reference owned by the caller of this function; known maybe
 * later. */
Caller *callers_get(Callers *callers, const char *name);
/* Calls `known` once is_known or is_gone is set, maybe at once. */
void caller_when_known(Caller *caller, CallerKnown known, void *userdata);
void caller_unref(Caller *caller);
