/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The store: everything the service must still know after a crash, in one SQLite file. Rows are plain
 * structures; the domain owns them and saves a whole row after each change, inside a transaction where
 * several belong together. WAL, synchronous=FULL, foreign keys on, mode 0600, schema by PRAGMA user_version.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Store Store;

/* Opens and migrates. Refuses a schema newer than this program's (-EPROTO), a damaged file (-EBADMSG) and a
 * path that is a symbolic link (-ELOOP) or somebody else's file (-EPERM). Returns: 0 or negative errno with a
 * sentence. */
int store_open(const char *path, Store **ret_store, char **ret_message);
void store_close(Store *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_close)

/* Space on the disk that is kept for writing down what frees space, in a file beside the store: made at its
 * opening and whenever it is missing and there is room. */
void store_make_reserve(Store *store);
void store_free_reserve(Store *store);

/* One transaction. `store_commit` makes it durable before it returns; on failure it has rolled back.
 * Returns: 0 or negative errno (-ENOSPC, -EIO) with a sentence. */
int store_begin(Store *store, char **ret_message);
int store_commit(Store *store, char **ret_message);
void store_rollback(Store *store);

typedef struct LayerRef {
        uint64_t overlay;    /* overlay id */
        uint64_t generation; /* 0: not yet resolved */
} LayerRef;

enum { PORT_GAME, PORT_SOURCETV, PORT_CLIENT, N_PORTS };

typedef struct InstanceRow {
        char *name;
        char *description;
        uint16_t ports[N_PORTS];
        char **arguments;  /* strv, never NULL */
        GArray *overlays;  /* uint64_t overlay ids, first wins; without the game */
        char *config;      /* text of SetConfig */
        bool enabled;      /* the wish: comes back at boot */
        uint64_t revision; /* counts changes that a running server does not have yet */
        uint64_t mounted_revision;
        GArray *mounted;      /* LayerRef, top first; empty when nothing is mounted */
        bool mounted_by_hand; /* a person mounted it: reconciliation keeps it */
        uint64_t created_at;  /* microseconds, CLOCK_REALTIME; 0: not known */
} InstanceRow;
InstanceRow *instance_row_new(void);
void instance_row_free(InstanceRow *row);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(InstanceRow, instance_row_free)

typedef struct GenerationRow {
        uint64_t number;
        uint64_t built_at; /* microseconds, CLOCK_REALTIME */
        uint64_t bytes;
        uint64_t files;
        char *digest;
} GenerationRow;

typedef struct OverlayRow {
        uint64_t id; /* 0 until saved first: the store gives ids and never gives one again */
        char *name;
        char *description;
        char *kind; /* "script", "files" */
        char *script;
        uint64_t time_limit;       /* microseconds; 0: host.conf's */
        unsigned keep_generations; /* 0: host.conf's */
        uint64_t size_limit;       /* bytes; 0: host.conf's */
        uint64_t file_limit;       /* 0: host.conf's */
        uint64_t generation;       /* the current one, 0: none */
        uint64_t next_generation;  /* the number the next build gets; starts at 1 and only grows */
        uint64_t last_job;
        GPtrArray *generations; /* GenerationRow, finished ones that are on disk, oldest first */
} OverlayRow;
OverlayRow *overlay_row_new(void);
void overlay_row_free(OverlayRow *row);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OverlayRow, overlay_row_free)
void generation_row_free(GenerationRow *row);

typedef struct JobRow {
        uint64_t id; /* 0 until saved first; never given again */
        char *kind;  /* "build", "prune", "wipe-cache", "delete-overlay", "reset-instance", "delete-instance"
                      */
        uint64_t overlay;   /* subject: an overlay id, or 0 */
        char *instance;     /* subject: an instance name, or NULL */
        char *subject_name; /* as it was called when the job was made */
        char *state;        /* "queued", "running", "done", "failed", "cancelled", "interrupted" */
        char *phase;        /* where a running job stands, see job.c; "" otherwise */
        char *result;
        char *message;
        int exit_status;
        GArray *requesters;                          /* uint32_t uids */
        uint64_t queued_at, started_at, finished_at; /* microseconds, CLOCK_REALTIME, 0: not yet */
        uint64_t generation;                         /* what it makes */
        GArray *generations;                         /* uint64_t: what a prune deletes */
        int slot;                                    /* -1: none */
        char *boot_id;                               /* of the boot in which it was started */
} JobRow;
JobRow *job_row_new(void);
void job_row_free(JobRow *row);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JobRow, job_row_free)

/* Insert or update by key, children tables included, all or nothing; works inside a transaction of the
 * caller's or makes its own. An overlay's or job's id is set in the row at the first save; a row whose id the
 * store does not know any more is -ENOENT. Returns: 0, -EEXIST (overlay's name taken), -EADDRINUSE (port
 * taken; the sentence says by whom), -ENOSPC, -EIO or another negative errno, each with a sentence. */
int store_save_instance(Store *store, InstanceRow *row, char **ret_message);
int store_save_overlay(Store *store, OverlayRow *row, char **ret_message);
int store_save_job(Store *store, JobRow *row, char **ret_message);

int store_delete_instance(Store *store, const char *name, char **ret_message);
/* -EBUSY while an instance lists it. */
int store_delete_overlay(Store *store, uint64_t id, char **ret_message);
int store_delete_job(Store *store, uint64_t id, char **ret_message);

/* All rows, for the start of the program. Returns: 0 and an array that owns its rows. */
int store_load_instances(Store *store, GPtrArray **ret_rows, char **ret_message);
/* New overlays get ids above this one. */
int store_reserve_overlay_ids(Store *store, uint64_t highest, char **ret_message);
int store_load_overlays(Store *store, GPtrArray **ret_rows, char **ret_message);
int store_load_jobs(Store *store, GPtrArray **ret_rows, char **ret_message);

/* Finds ports that nobody has: `first`..`last` inclusive, lowest first, distinct. Returns: 0, or -EADDRINUSE
 * with a sentence when fewer than `n` are free. */
int store_find_free_ports(
        Store *store, uint16_t first, uint16_t last, uint16_t *ret_ports, size_t n, char **ret_message);

/* The last lines of a finished job's log, which goes when its job goes. `first` is the journal's cursor of
 * the first of them, "" where there are none; the store does not look into `lines`. */
int store_save_log(Store *store, uint64_t job, const char *first, GBytes *lines, char **ret_message);
/* Returns: 1; 0 when that job has none; or negative errno with a sentence. */
int store_load_log(Store *store, uint64_t job, char **ret_first, GBytes **ret_lines, char **ret_message);
/* The ids (uint64_t) of the jobs that have one. */
int store_load_logged_jobs(Store *store, GArray **ret_jobs, char **ret_message);
