/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An instance: one configured game server. instance.c has what it is, instance-settings.c what is set,
 * instance-mount.c its overlayfs mount, instance-run.c starting and stopping through systemd. */
#pragma once

#include "host.h"
#include "log.h"

typedef struct InstanceOp InstanceOp;

struct Instance {
        Host *host;
        InstanceRow *row;
        char *server_unit, *mount_unit;
        UnitState *state; /* the server unit's, as last announced */
        bool is_mounted;
        bool was_asked_to_stop; /* its unit went down without a failure first */
        bool is_given_up;       /* systemd does not start it again: it died too often */
        bool has_ports_applied; /* systemd was told its ports since they changed or this program started */
        GError *mount_error;    /* of the last mount or unmount, NULL when it went well */
        InstanceOp *op;         /* Start, Stop or Restart on its way */
        GQueue mount_calls;     /* MountCall, the first one is at work */
        Job *job;               /* the reset or deletion that has it, queued or running */
};

/* What Create and Configure can set. A field that is not set stays as it is. */
typedef struct InstanceSettings {
        bool has_description, has_port, has_arguments, has_overlays;
        char *description;
        uint16_t port;
        char **arguments;
        GPtrArray *overlays; /* names (char *), first wins */
} InstanceSettings;
void instance_settings_clear(InstanceSettings *settings);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(InstanceSettings, instance_settings_clear)

#define INSTANCE_CONFIG_MAX (256 * 1024) /* bytes */

Instance *instance_new(Host *host, InstanceRow *row); /* takes the row */
void instance_free(Instance *instance);

/* Returns: the instance, borrowed, or NULL with HOST_ERROR_NO_SUCH_INSTANCE. */
Instance *instance_find(Host *host, const char *name, GError **error);
/* Deletion and reset are jobs. Returns: the job, borrowed. */
Job *instance_delete(Instance *instance, uid_t uid, GError **error);
Job *instance_reset(Instance *instance, uid_t uid, GError **error);
/* The last step of a deletion: out of the store already, it goes off the bus and is freed. */
void instance_forget(Instance *instance);

/* The layers its next mount gets, top first, the game last. Returns: an array of LayerRef, or NULL with
 * HOST_ERROR_NOT_READY. */
GArray *instance_plan(Instance *instance, GError **error);
/* Whether what is mounted or running is not what is configured. */
bool instance_is_outdated(Instance *instance);
bool instance_lists_overlay(Instance *instance, uint64_t overlay);
/* How its last run ended, systemd's word or "start-limit-hit", borrowed. */
const char *instance_result(Instance *instance);
/* A sentence about `Result`; "" when there is nothing to say. Owned by the caller. */
char *instance_message(Instance *instance);
/* Nothing of it runs, and systemd is not about to start it again. */
bool instance_is_stopped(Instance *instance);
/* FALSE with HOST_ERROR_BUSY when an operation or a job has the instance. */
gboolean instance_check_free(Instance *instance, GError **error);
/* Returns: what its units print, owned by the caller. */
Log *instance_log_new(const Instance *instance);
/* What its unit was found in when this program started. */
void instance_unit_found(Instance *instance, const UnitState *state);
void instance_unit_changed(Instance *instance, const char *unit, const UnitState *state);
/* ListenAddress of the host is another now. */
void instance_address_changed(Instance *instance);
#define instance_changed(i, ...) host_changed((i)->host, OBJECT_INSTANCE, (i)->row->name, __VA_ARGS__)

#define INSTANCE_ANSWER_WITHIN                                                                               \
        20 /* seconds, after which a caller is told that it goes on: bus clients give up at 25 */

/* instance-settings.c */
Instance *instance_create(Host *host, const char *name, const InstanceSettings *settings, GError **error);
gboolean instance_configure(Instance *instance, const InstanceSettings *settings, GError **error);
gboolean instance_set_config(Instance *instance, const char *text, GError **error);

/* instance-run.c. Each answers within 20 s; what takes longer goes on (StillStarting, StillStopping). */
void instance_start(Instance *instance, HostDone done, void *userdata);
void instance_stop(Instance *instance, HostDone done, void *userdata);
void instance_restart(Instance *instance, HostDone done, void *userdata);

/* instance-mount.c. One at a time per instance, off the main thread. `by_unit`: asked for by the instance's
 * own mount unit, or in its place; else by a person, who must not take the mount from a server. */
void instance_mount(Instance *instance, bool by_unit, HostDone done, void *userdata);
void instance_unmount(Instance *instance, bool by_unit, HostDone done, void *userdata);
/* Takes away a mount that a unit left behind: nothing runs on it, and no person asked for it. */
void instance_unmount_unused(Instance *instance);
/* Compares with the kernel's mount table. */
void instance_mounts_changed(Host *host);
