/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit-state.h"

UnitState *unit_state_new(void)
{
        UnitState *s = g_new0(UnitState, 1);

        s->load_state = g_strdup("not-found");
        s->active_state = g_strdup("inactive");
        s->sub_state = g_strdup("dead");
        s->result = g_strdup("success");
        s->invocation_id = g_strdup("");
        s->control_group = g_strdup("");
        s->time_limit = UINT64_MAX;
        return s;
}

UnitState *unit_state_copy(const UnitState *state)
{
        UnitState *s = g_memdup2(state, sizeof(*state));

        s->load_state = g_strdup(state->load_state);
        s->active_state = g_strdup(state->active_state);
        s->sub_state = g_strdup(state->sub_state);
        s->result = g_strdup(state->result);
        s->invocation_id = g_strdup(state->invocation_id);
        s->control_group = g_strdup(state->control_group);
        return s;
}

void unit_state_free(UnitState *state)
{
        if (!state)
                return;
        g_free(state->load_state);
        g_free(state->active_state);
        g_free(state->sub_state);
        g_free(state->result);
        g_free(state->invocation_id);
        g_free(state->control_group);
        g_free(state);
}

bool unit_state_is_stopped(const UnitState *state)
{
        /* 257: "failed" for a moment, between two attempts. */
        if (g_str_has_suffix(state->sub_state, "-before-auto-restart"))
                return false;
        return g_str_equal(state->active_state, "inactive") || g_str_equal(state->active_state, "failed");
}
