/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two halves of systemd1.h share: systemd1.c calls, systemd1-follow.c listens. */
#pragma once

#include "systemd1.h"

#define SYSTEMD_NAME    "org.freedesktop.systemd1"
#define SYSTEMD_PATH    "/org/freedesktop/systemd1"
#define SYSTEMD_UNITS   SYSTEMD_PATH "/unit"
#define SYSTEMD_MANAGER SYSTEMD_NAME ".Manager"
#define SYSTEMD_UNIT    SYSTEMD_NAME ".Unit"
#define SYSTEMD_SERVICE SYSTEMD_NAME ".Service"
#define DBUS_PROPERTIES "org.freedesktop.DBus.Properties"
#define UNIT_PREFIX     "left4me-"

struct Systemd1 {
        sd_bus *bus;
        char *owner;       /* systemd's unique name on the bus; NULL while it has none */
        GHashTable *units; /* name -> UnitState, owned */
        GList *calls;      /* Systemd1Call, those that are not answered yet */
        unsigned version;
        bool is_ready;
        Systemd1UnitChanged changed;
        Systemd1Ready ready;
        void *userdata;
        sd_bus_slot *slots[6];
};

/* One call on its way: to the reply, and for those that make a systemd job on to its JobRemoved. */
typedef struct Systemd1Call {
        Systemd1 *systemd;
        char *unit;
        Systemd1Done done;
        Systemd1Read read;
        void *userdata;
        bool makes_job;
        bool is_missing_fine; /* NoSuchUnit counts as done */
        bool tells_string;    /* the answer is the result */
        char *job_path;       /* once the reply told it */
        GHashTable *early;    /* job path -> result: JobRemoved may overtake the reply */
        sd_bus_message *message;
        sd_bus_message_handler_t replied;
        sd_bus_slot *slot;
        unsigned tries;
        guint retry; /* timer, when systemd was gone */
} Systemd1Call;

/* Sends the call, with no time limit: systemd answers, or the bus says that it is gone. Then, while it
 * executes itself anew, the call waits and is sent again (systemd1_resend()). Takes a reference of its own on
 * the message. */
void systemd1_call_send(Systemd1Call *call, sd_bus_message *m, sd_bus_message_handler_t replied);
/* In a reply's handler, first. Returns: whether this is no answer, and the call waits for systemd to come
 * back. */
bool systemd1_call_is_lost(Systemd1Call *call, const sd_bus_error *e);
/* systemd is back: everything that is not answered, or whose job nobody saw end, is asked once more. */
void systemd1_resend(Systemd1 *s);

/* A call that is listed until it is freed; the reply's handler frees it. */
Systemd1Call *systemd1_call_new(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata);
void systemd1_call_free(Systemd1Call *call);
/* Frees the call, then tells its asker. */
void systemd1_call_finish(Systemd1Call *call, const char *result, const GError *error);

/* Returns: a new call of the manager's; out of memory ends the program. */
sd_bus_message *systemd1_manager_message(Systemd1 *s, const char *member);

/* Matches, subscription, and the first list. Returns: 0 or negative errno. */
int systemd1_follow(Systemd1 *s);
