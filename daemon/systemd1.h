/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* systemd's D-Bus API, asynchronously: units are started, stopped and followed here, and nowhere else.
 *
 * A call that makes a systemd job is answered when that job was removed, not when it was queued. States are
 * followed by signals; only the state at the start, after a reload and after systemd's own restart is asked
 * for. See org.freedesktop.systemd1(5). */
#pragma once

#include "sandbox.h"
#include "unit-state.h"
#include <systemd/sd-bus.h>

typedef struct Systemd1 Systemd1;

/* Something that systemd says of a unit whose name starts with "left4me-" changed. `state` is borrowed. */
typedef void (*Systemd1UnitChanged)(const char *unit, const UnitState *state, void *userdata);
/* The states that were there at the start are all known. */
typedef void (*Systemd1Ready)(void *userdata);
/* `result` is the systemd job's: "done", "failed", "dependency", "timeout", "canceled", ...;
 * "exists" when a transient unit was started by a call whose answer was lost; NULL when the
 * call itself failed: then `error` (HOST_ERROR_SYSTEMD_FAILED). */
typedef void (*Systemd1Done)(const char *result, const GError *error, void *userdata);
typedef void (*Systemd1Read)(const UnitState *state, const GError *error, void *userdata);

/* Subscribes and lists. Returns: 0 or negative errno. */
int systemd1_new(sd_bus *bus, Systemd1UnitChanged changed, Systemd1Ready ready, void *userdata,
        Systemd1 **ret_systemd);
void systemd1_free(Systemd1 *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Systemd1, systemd1_free)

/* Returns: 252, 257, ...; 0 until systemd1_new()'s `ready`. */
unsigned systemd1_version(Systemd1 *s);
/* Returns: the last known state, borrowed until the next turn of the loop; never NULL. */
const UnitState *systemd1_unit(Systemd1 *s, const char *unit);

void systemd1_start(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata);
void systemd1_stop(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata);
/* SIGKILL for all processes of the unit, at once. Where none is left there is nothing to do. */
void systemd1_kill(Systemd1 *s, const char *unit);
void systemd1_restart(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata);
void systemd1_start_transient(
        Systemd1 *s, const char *unit, const SandboxSpec *spec, Systemd1Done done, void *userdata);
/* A helper that looks at every process of the host (CAP_SYS_PTRACE, which the daemon does without) and
 * changes nothing. It is a oneshot: `done` comes when it has ended. */
void systemd1_start_inspector(
        Systemd1 *s, const char *unit, char *const *argv, int stdout_fd, Systemd1Done done, void *userdata);

/* Calls without a job; `done` gets "done". */
void systemd1_enable(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata);
void systemd1_disable(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata);
/* `done` gets "enabled", "disabled", ... as systemctl is-enabled says it. */
void systemd1_is_enabled(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata);
/* `done` gets "running", "degraded", "stopping", ... as systemctl is-system-running says it. */
void systemd1_system_state(Systemd1 *s, Systemd1Done done, void *userdata);
/* A unit that is not loaded has nothing to reset: that is "done" too. */
void systemd1_reset_failed(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata);
/* Lets the unit bind these ports and no others (SocketBindAllow=), over reboots. */
void systemd1_allow_ports(Systemd1 *s, const char *unit, const uint16_t *ports, size_t n_ports,
        Systemd1Done done, void *userdata);
/* Forgets what systemd1_allow_ports() wrote. */
void systemd1_revert(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata);

/* Takes up a unit's state where systemd changes it without a signal: a reset failure of a unit that has not
 * failed. `done` comes when systemd1_unit() has it. */
void systemd1_refresh(Systemd1 *s, const char *unit, Systemd1Done done, void *userdata);
/* Asks for a unit's state now. A collected unit answers load_state "not-found". */
void systemd1_read(Systemd1 *s, const char *unit, Systemd1Read read, void *userdata);
