/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The domain: one Host with its instances, overlays and jobs. Nothing here knows the bus; what must be told
 * to the world goes through the HostListener that the bus side installs. Each row in the store is written
 * before the memory, systemd or the kernel is touched. */
#pragma once

#include "error.h"
#include "layers.h"
#include "mounts.h"
#include "settings.h"
#include "store.h"
#include "systemd1.h"
#include "turns.h"

typedef struct Host Host;
typedef struct Instance Instance;
typedef struct Overlay Overlay;
typedef struct Job Job;

/* The end of something that takes time. `error` is NULL on success, borrowed otherwise. Called exactly once,
 * maybe before the starter returns. */
typedef void (*HostDone)(const GError *error, void *userdata);

typedef enum ObjectKind { OBJECT_MANAGER, OBJECT_INSTANCE, OBJECT_OVERLAY, OBJECT_JOB } ObjectKind;

/* `id` is the instance's or overlay's name, the job's number in decimal, "" for the manager. */
typedef struct HostListener {
        void (*added)(ObjectKind kind, const char *id, void *userdata);
        void (*removed)(ObjectKind kind, const char *id, void *userdata);
        void (*changed)(ObjectKind kind, const char *id, const char *const *properties, void *userdata);
        void *userdata;
} HostListener;

/* Whether systemd's address filter (IPAddressDeny=) really filters here. */
typedef enum FilterState { FILTER_UNKNOWN, FILTER_WORKS, FILTER_INERT } FilterState;

struct Host {
        Settings *settings;
        Store *store;
        Systemd1 *systemd;
        MountsWatch *mounts;
        int state_fd;   /* /var/lib/left4me */
        int staging_fd; /* /run/left4me/staging */
        uid_t server_uid;
        gid_t server_gid;
        char *boot_id;
        LayersWay layers_way;
        bool has_project_quota; /* see project-quota.h */
        FilterState filter;
        bool is_filter_test_begun;      /* its unit is ours, and its states count */
        GHashTable *instances;          /* name -> Instance */
        GHashTable *overlays;           /* name -> Overlay */
        GHashTable *overlays_by_id;     /* &row->id -> Overlay */
        GTree *jobs;                    /* &id -> Job, oldest first */
        char **unknown;                 /* paths that nobody knows, sorted; see unknown.h */
        guint save_again;               /* the store is tried again: some job's end is not in it */
        bool has_leftovers;             /* a deletion failed or was cancelled; see job-trash.c */
        guint schedule;                 /* a turn of jobs_schedule() is due */
        GArray *served;                 /* uint32_t: users whose jobs have begun, the last one last */
        guint drop;                     /* the next turn of jobs_drop_old() */
        bool is_keeping_log;            /* a turn of jobs_keep_logs() is at work */
        Turns *log_turns;               /* of those who read logs; see log.h */
        struct LogStreams *log_streams; /* see log-stream.h */
        HostListener listener;
};

/* Opens store and directories, probes the kernel, loads every row. `way` forces a way of mounting,
 * LAYERS_WAY_INVALID probes. Returns: 0 or negative errno with a sentence. */
int host_new(LayersWay way, Host **ret_host, char **ret_message);
void host_free(Host *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Host, host_free)

/* Reads host.conf again; a bad file leaves the old settings. Returns: FALSE with HOST_ERROR_INVALID_SETTING.
 */
gboolean host_reload(Host *host, GError **error);

/* What this host can do, as words: a strv owned by the caller. */
char **host_features(Host *host);

void host_object_added(Host *host, ObjectKind kind, const char *id);
void host_object_removed(Host *host, ObjectKind kind, const char *id);
void host_object_changed(Host *host, ObjectKind kind, const char *id, const char *const *properties);
#define host_changed(host, kind, id, ...)                                                                    \
        host_object_changed(host, kind, id, (const char *const[]){__VA_ARGS__, NULL})

/* Turns a failed call of the store into a GError of the right code. Always returns FALSE. Takes `message`. */
gboolean host_store_error(GError **error, int r, char *message);

/* From the systemd side: dispatches by the unit's name. */
void host_unit_changed(const char *unit, const UnitState *state, void *host);

/* Microseconds, CLOCK_REALTIME. */
uint64_t host_now(void);
