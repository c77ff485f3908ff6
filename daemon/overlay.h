/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An overlay: a named set of files laid over the game, in finished, immutable generations. overlay.c has its
 * settings and its jobs, overlay-generations.c which generations there are, overlay-wipe.c the making of an
 * empty one. */
#pragma once

#include "job-import.h"

struct Overlay {
        Host *host;
        OverlayRow *row;
        Job *deletion; /* queued or running */
        bool is_being_wiped;
};

typedef struct OverlaySettings {
        bool has_description, has_time_limit, has_size_limit, has_file_limit, has_keep_generations;
        char *description;
        uint64_t time_limit; /* microseconds */
        uint64_t size_limit; /* bytes */
        uint64_t file_limit;
        uint32_t keep_generations;
} OverlaySettings;
void overlay_settings_clear(OverlaySettings *settings);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(OverlaySettings, overlay_settings_clear)

#define OVERLAY_SCRIPT_MAX (1024 * 1024) /* bytes */

Overlay *overlay_new(Host *host, OverlayRow *row); /* takes the row */
void overlay_free(Overlay *overlay);

Overlay *overlay_find(Host *host, const char *name, GError **error); /* HOST_ERROR_NO_SUCH_OVERLAY */
Overlay *overlay_by_id(Host *host, uint64_t id);
Overlay *overlay_create(
        Host *host, const char *name, const char *kind, const OverlaySettings *settings, GError **error);
gboolean overlay_configure(Overlay *overlay, const OverlaySettings *settings, GError **error);
gboolean overlay_set_script(Overlay *overlay, const char *text, GError **error);
/* The same build asked for twice while queued is one job with both requesters. Returns: the job, borrowed. */
Job *overlay_build(Overlay *overlay, uid_t uid, GError **error);
/* Deletes what its builds keep. Asked for twice while queued it is one job, too. */
Job *overlay_wipe_cache(Overlay *overlay, uid_t uid, GError **error);
/* Begins at once, or not at all: HOST_ERROR_BUSY. */
void overlay_import(
        Overlay *overlay, int fd, const ImportSettings *settings, uid_t uid, ImportDone done, void *userdata);
/* HOST_ERROR_IN_USE while an instance lists it. */
Job *overlay_delete(Overlay *overlay, uid_t uid, GError **error);
/* Makes a generation that is kept the current one. HOST_ERROR_NO_SUCH_GENERATION, HOST_ERROR_BUSY. */
gboolean overlay_revert(Overlay *overlay, uint64_t generation, GError **error);
/* Publishes an empty generation, unless the current one is. HOST_ERROR_BUSY. */
void overlay_wipe(Overlay *overlay, HostDone done, void *userdata);
/* The job that makes a generation, or is queued to; borrowed, NULL when there is none. */
Job *overlay_maker(Overlay *overlay);
/* HOST_ERROR_BUSY while a job makes a generation or deletes the overlay, or is queued to, and while it is
 * being wiped. */
gboolean overlay_check_idle(Overlay *overlay, GError **error);
/* A row for a job of this kind on it, owned by the caller. */
JobRow *overlay_job_row(Overlay *overlay, const char *kind);
/* Out of the store already: off the bus, freed. */
void overlay_forget(Overlay *overlay);

/* What a build of it may take of the disk: its own limits, or host.conf's. */
uint64_t overlay_size_limit(const Overlay *overlay);
uint64_t overlay_file_limit(const Overlay *overlay);
/* How long it may take, in microseconds. */
uint64_t overlay_time_limit(const Overlay *overlay);
/* "empty", "building", "ready", "failed" */
const char *overlay_state(Overlay *overlay);
/* The current generation's row, NULL when there is none. */
const GenerationRow *overlay_current(Overlay *overlay);
/* Names of the instances that list it, sorted; owned. Every instance uses the game. */
GPtrArray *overlay_users(Overlay *overlay);
/* The users of these (uint64_t ids), and of the game where asked, are others now. */
void overlays_announce_users(Host *host, const GArray *overlays, bool and_game);
/* Tells on the bus that another generation is current, or none any more. */
void overlay_announce_current(Overlay *overlay);
/* Whether a mount of any instance has a generation of it (0: any generation). */
bool overlay_is_mounted(Overlay *overlay, uint64_t generation);
/* Makes a finished generation the current one, in the same transaction that ends the job that made it; `job`
 * is NULL when none did. Takes the row. */
gboolean overlay_publish(Overlay *overlay, GenerationRow *generation, Job *job, GError **error);
/* Queues a job that deletes the directory of a generation that was never published. */
void overlay_drop_generation(Overlay *overlay, uint64_t number);
/* Queues a job that deletes the generations nobody needs any more, if there are any. */
void overlay_prune(Overlay *overlay);
void overlay_prune_all(Host *host);
/* Queues a job that deletes those of the directories `on_disk` (uint64_t, numbers that were given to builds)
 * that are neither finished nor any job's work. */
void overlay_prune_unfinished(Overlay *overlay, const GArray *on_disk);
#define overlay_changed(o, ...) host_changed((o)->host, OBJECT_OVERLAY, (o)->row->name, __VA_ARGS__)
