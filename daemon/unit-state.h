/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What systemd says of one unit, as far as this service cares. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct UnitState {
        char *load_state;   /* "loaded", "not-found", ... */
        char *active_state; /* "active", "inactive", "activating", "deactivating", "failed", ... */
        char *sub_state;
        char *result;
        char *invocation_id; /* 32 hex digits or "" */
        char *control_group; /* its path in the hierarchy, or ""; known to who reads it (systemd1_read()) */
        uint32_t main_pid;
        uint32_t n_restarts;
        int exec_main_code;   /* CLD_EXITED, CLD_KILLED, CLD_DUMPED, or 0 */
        int exec_main_status; /* exit status or signal */
        uint64_t started_at;  /* microseconds, CLOCK_REALTIME; 0: never */
        uint64_t time_limit;  /* RuntimeMaxSec=, microseconds; UINT64_MAX: none */
} UnitState;

UnitState *unit_state_new(void); /* inactive, dead, success */
UnitState *unit_state_copy(const UnitState *state);
void unit_state_free(UnitState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UnitState, unit_state_free)

/* Nothing runs and nothing is about to: inactive or failed. Auto-restart counts as running. */
bool unit_state_is_stopped(const UnitState *state);
